#define _GNU_SOURCE

#include "CDatagramSockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

int plexus_udp_bind(const struct sockaddr *address, socklen_t length) {
  int descriptor = socket(address->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -errno;
  if (bind(descriptor, address, length) == 0) return descriptor;
  int failure = errno;
  close(descriptor);
  return -failure;
}

static void append(struct msghdr *message, int level, int type, const void *value, size_t size) {
  struct cmsghdr *header = (struct cmsghdr *)((char *)message->msg_control + message->msg_controllen);
  header->cmsg_level = level;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(size);
  memcpy(CMSG_DATA(header), value, size);
  message->msg_controllen += CMSG_SPACE(size);
}

int plexus_udp_send(int socket, const void *bytes, size_t length, uint16_t segment, int hop_limit,
                    const struct sockaddr *address, socklen_t address_length) {
  union {
    char bytes[CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(int))];
    struct cmsghdr alignment;
  } control;
  memset(&control, 0, sizeof control);
  struct iovec vector = {.iov_base = (void *)bytes, .iov_len = length};
  struct msghdr message = {.msg_name = (void *)address,
                           .msg_namelen = address_length,
                           .msg_iov = &vector,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = 0};
  if (segment != 0 && length > segment) append(&message, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment);
  if (hop_limit != 0) {
    if (address->sa_family == AF_INET6)
      append(&message, IPPROTO_IPV6, IPV6_HOPLIMIT, &hop_limit, sizeof hop_limit);
    else
      append(&message, IPPROTO_IP, IP_TTL, &hop_limit, sizeof hop_limit);
  }
  if (message.msg_controllen == 0) message.msg_control = NULL;
  ssize_t sent;
  do sent = sendmsg(socket, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent < 0 ? errno : 0;
}

static void set_buffer(int socket, int forced, int ordinary, int bytes) {
  if (setsockopt(socket, SOL_SOCKET, forced, &bytes, sizeof bytes) != 0)
    setsockopt(socket, SOL_SOCKET, ordinary, &bytes, sizeof bytes);
}

void plexus_udp_set_buffers(int socket, int receive, int send) {
  set_buffer(socket, SO_RCVBUFFORCE, SO_RCVBUF, receive);
  set_buffer(socket, SO_SNDBUFFORCE, SO_SNDBUF, send);
}

int plexus_udp_set_fragmentation(int socket, int family, int allowed) {
  int level = family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
  int option = family == AF_INET6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER;
  int value = allowed ? (family == AF_INET6 ? IPV6_PMTUDISC_DONT : IP_PMTUDISC_DONT)
                      : (family == AF_INET6 ? IPV6_PMTUDISC_PROBE : IP_PMTUDISC_PROBE);
  return setsockopt(socket, level, option, &value, sizeof value) == 0 ? 0 : errno;
}
