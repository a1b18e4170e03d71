#include "CPortMapping.h"

#include <arpa/inet.h>
#include <natpmp.h>
#include <poll.h>
#include <string.h>
#include <time.h>

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/// Waits for the answer to the pending request; the library repeats that after 250 ms, and then after twice the time.
static int await_answer(natpmp_t *natpmp, int64_t deadline, natpmpresp_t *response) {
  memset(response, 0, sizeof *response);
  while (true) {
    int result = readnatpmpresponseorretry(natpmp, response);
    if (result != NATPMP_TRYAGAIN) return result;
    int64_t left = deadline - now_ms();
    if (left <= 0) return PLEXUS_NATPMP_SILENT;
    struct timeval timeout = {0};
    if (getnatpmprequesttimeout(natpmp, &timeout) != 0) return PLEXUS_NATPMP_SILENT;
    int64_t wait = (int64_t)timeout.tv_sec * 1000 + timeout.tv_usec / 1000;
    if (wait < 1) wait = 1;
    struct pollfd ready = {.fd = natpmp->s, .events = POLLIN};
    poll(&ready, 1, (int)(wait < left ? wait : left));
  }
}

static int ask_address(natpmp_t *natpmp, int64_t deadline, plexus_natpmp_answer *answer) {
  natpmpresp_t response;
  if (sendpublicaddressrequest(natpmp) < 0) return NATPMP_ERR_SENDERR;
  int result = await_answer(natpmp, deadline, &response);
  if (result != 0) return result;
  if (response.type != NATPMP_RESPTYPE_PUBLICADDRESS) return NATPMP_ERR_UNSUPPORTEDOPCODE;
  answer->external_address = ntohl(response.pnu.publicaddress.addr.s_addr);
  return 0;
}

static int ask_port(natpmp_t *natpmp, uint16_t inner_port, uint16_t external_port, uint32_t lifetime, int64_t deadline,
                    plexus_natpmp_answer *answer) {
  natpmpresp_t response;
  if (sendnewportmappingrequest(natpmp, NATPMP_PROTOCOL_UDP, inner_port, external_port, lifetime) < 0)
    return NATPMP_ERR_SENDERR;
  int result = await_answer(natpmp, deadline, &response);
  if (result != 0) return result;
  if (response.type != NATPMP_RESPTYPE_UDPPORTMAPPING) return NATPMP_ERR_UNSUPPORTEDOPCODE;
  answer->inner_port = response.pnu.newportmapping.privateport;
  answer->external_port = response.pnu.newportmapping.mappedpublicport;
  answer->lifetime = response.pnu.newportmapping.lifetime;
  return 0;
}

int plexus_natpmp_address(uint32_t gateway, int patience, plexus_natpmp_answer *answer) {
  memset(answer, 0, sizeof *answer);
  natpmp_t natpmp;
  int result = initnatpmp(&natpmp, 1, htonl(gateway));
  if (result != 0) return result;
  result = ask_address(&natpmp, now_ms() + patience, answer);
  closenatpmp(&natpmp);
  return result;
}

int plexus_natpmp_map(uint32_t gateway, uint16_t inner_port, uint16_t external_port, uint32_t lifetime, int patience,
                      plexus_natpmp_answer *answer) {
  memset(answer, 0, sizeof *answer);
  natpmp_t natpmp;
  int result = initnatpmp(&natpmp, 1, htonl(gateway));
  if (result != 0) return result;
  int64_t deadline = now_ms() + patience;
  result = ask_port(&natpmp, inner_port, external_port, lifetime, deadline, answer);
  if (result == 0 && lifetime > 0) result = ask_address(&natpmp, deadline, answer);
  closenatpmp(&natpmp);
  return result;
}
