#include "CNetworkChanges.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static void add_address(struct nlmsghdr *header, unsigned short type, uint32_t address) {
  struct rtattr *attribute = (struct rtattr *)((char *)header + NLMSG_ALIGN(header->nlmsg_len));
  attribute->rta_type = type;
  attribute->rta_len = RTA_LENGTH(sizeof address);
  memcpy(RTA_DATA(attribute), &address, sizeof address);
  header->nlmsg_len = NLMSG_ALIGN(header->nlmsg_len) + RTA_LENGTH(sizeof address);
}

unsigned plexus_route_interface(uint32_t source, uint32_t destination) {
  struct {
    struct nlmsghdr header;
    struct rtmsg route;
    char attributes[64];
  } request = {
      .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)), .nlmsg_type = RTM_GETROUTE, .nlmsg_flags = NLM_F_REQUEST},
      .route = {.rtm_family = AF_INET, .rtm_src_len = 32, .rtm_dst_len = 32},
  };
  add_address(&request.header, RTA_SRC, source);
  add_address(&request.header, RTA_DST, destination);
  int descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (descriptor < 0) return 0;
  // The kernel answers before send returns; the limit is for kernels that never do.
  struct timeval limit = {.tv_usec = 100000};
  setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  union {
    struct nlmsghdr header;
    char bytes[1024];
  } answer;
  int interface = 0;
  if (send(descriptor, &request, request.header.nlmsg_len, 0) > 0) {
    ssize_t length = recv(descriptor, &answer, sizeof answer, 0);
    if (length > 0 && NLMSG_OK(&answer.header, (size_t)length) && answer.header.nlmsg_type == RTM_NEWROUTE) {
      int left = RTM_PAYLOAD(&answer.header);
      for (struct rtattr *attribute = RTM_RTA(NLMSG_DATA(&answer.header)); RTA_OK(attribute, left);
           attribute = RTA_NEXT(attribute, left))
        if (attribute->rta_type == RTA_OIF && RTA_PAYLOAD(attribute) == sizeof interface)
          memcpy(&interface, RTA_DATA(attribute), sizeof interface);
    }
  }
  close(descriptor);
  return interface > 0 ? (unsigned)interface : 0;
}
