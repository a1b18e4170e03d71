#pragma once

/// Opens a socket that becomes readable when an address, a link or a route of this host changes (rtnetlink(7)).
///
/// @return the descriptor, non-blocking, or -1 where the system tells nothing.
int plexus_network_changes_open(void);
