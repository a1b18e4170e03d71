// What SwiftNIO's datagram channel cannot do: one send with its own hop limit or with segmentation, whose failure concerns that send only.

#ifndef CDATAGRAMSOCKETS_H
#define CDATAGRAMSOCKETS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/// A bound, non-blocking UDP socket that is closed on exec; or the negative errno.
int plexus_udp_bind(const struct sockaddr *address, socklen_t length);

/// Sends `length` bytes as datagrams of `segment` bytes each (the last may be shorter; 0: as one), with a hop limit of its own unless
/// that is 0. Returns 0, or errno.
int plexus_udp_send(int socket, const void *bytes, size_t length, uint16_t segment, int hop_limit,
                    const struct sockaddr *address, socklen_t address_length);

/// Asks for socket buffers of so many bytes, beyond the system's limit where that is allowed.
void plexus_udp_set_buffers(int socket, int receive, int send);

/// Whether routers may fragment the socket's datagrams. If not, they carry "don't fragment", whatever the kernel believes of the path.
/// Returns 0, or errno.
int plexus_udp_set_fragmentation(int socket, int family, int allowed);

#endif
