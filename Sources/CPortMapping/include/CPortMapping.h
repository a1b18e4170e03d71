/// What port mapping takes of libnatpmp and libminiupnpc: NAT-PMP as a whole, and the reading of what UPnP devices say. The transport of UPnP is
/// not libminiupnpc's, whose calls read without a bound and cannot be cancelled.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// MARK: NAT-PMP (RFC 6886)

/// What a router answered; addresses and ports in host order.
typedef struct {
  uint32_t external_address;
  uint16_t inner_port;
  uint16_t external_port;
  uint32_t lifetime;
} plexus_natpmp_answer;

/// The router did not answer in time. Other results are 0 for success and the negative codes of natpmp.h.
enum { PLEXUS_NATPMP_SILENT = -1000 };

/// Asks for the external address. Blocks for no longer than `patience` milliseconds.
int plexus_natpmp_address(uint32_t gateway, int patience, plexus_natpmp_answer *answer);

/// Has a UDP port forwarded, or with a lifetime of 0 seconds no more. Blocks for no longer than `patience` milliseconds.
int plexus_natpmp_map(uint32_t gateway, uint16_t inner_port, uint16_t external_port, uint32_t lifetime, int patience,
                      plexus_natpmp_answer *answer);

// MARK: UPnP IGD

/// Where and by which name a device takes requests to forward ports.
typedef struct {
  char control_url[512];
  char service_type[128];
} plexus_igd_service;

/// Reads a device description.
///
/// @param url where it came from.
/// @param index 0, or 1 for the second connection of a device that has two.
/// @return whether there is such a connection.
bool plexus_igd_read(const char *description, size_t length, const char *url, int index, plexus_igd_service *service);

/// Reads an element of the answer to a request.
///
/// @param value gets the text, cut to fit, with a NUL.
/// @return whether there is such an element.
bool plexus_soap_value(const char *answer, size_t length, const char *name, char *value, size_t capacity);
