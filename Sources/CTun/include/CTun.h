#pragma once

#include <poll.h>
#include <stdint.h>

/// Opens a TUN device of raw IP packets in another network namespace; the calling thread stays in its own.
///
/// The device is made if there is none of that name, and goes when the descriptor is closed. Reads do not block.
///
/// - Parameters: namespace_path is a file such as /run/netns/x; name has at most 15 bytes.
/// - Returns: The descriptor, close-on-exec, or a negated error number.
int plexus_tun_open(const char *namespace_path, const char *name);

/// Waits as poll(2) does, but to the nanosecond; a negative time is for ever. An interruption returns 0.
int plexus_poll(struct pollfd *descriptors, int count, int64_t nanoseconds);

/// Has the kernel wake the calling thread as soon as its time has come: ahead of every ordinary thread, and without slack.
///
/// - Returns: 0, or the error number that says why the thread keeps its ordinary priority.
int plexus_be_punctual(void);

/// An eventfd(2) that is 0, does not block and is close-on-exec, or -1.
int plexus_event_open(void);
