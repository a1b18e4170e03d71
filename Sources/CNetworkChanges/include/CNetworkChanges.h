#pragma once

#include <stdint.h>

/// Opens a socket that becomes readable when an address, a link or a route of this host changes (rtnetlink(7)).
///
/// @return the descriptor, non-blocking, or -1 where the system tells nothing.
int plexus_network_changes_open(void);

/// Asks the routing table, with its rules, by which interface a datagram from an own IPv4 address to another leaves (rtnetlink(7)).
///
/// @param source,destination in network byte order.
/// @return the interface's index, or 0 where there is no way or the system does not tell.
unsigned plexus_route_interface(uint32_t source, uint32_t destination);
