#include "CPortMapping.h"

#include <limits.h>
#include <miniupnpc/igd_desc_parse.h>
#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/upnpreplyparse.h>
#include <string.h>

/// Copies a text whole, or not at all.
static bool copy(char *to, size_t capacity, const char *from) {
  size_t length = from ? strnlen(from, capacity) : 0;
  if (length == 0 || length >= capacity) return false;
  memcpy(to, from, length + 1);
  return true;
}

bool plexus_igd_read(const char *description, size_t length, const char *url, int index, plexus_igd_service *service) {
  memset(service, 0, sizeof *service);
  if (length > INT_MAX) return false;
  struct IGDdatas data;
  memset(&data, 0, sizeof data);
  parserootdesc(description, (int)length, &data);
  if (index == 1) data.first = data.second;
  if (data.first.controlurl[0] == '\0') return false;
  struct UPNPUrls urls;
  memset(&urls, 0, sizeof urls);
  GetUPNPUrls(&urls, &data, url, 0);
  bool isComplete = copy(service->control_url, sizeof service->control_url, urls.controlURL) &&
                    copy(service->service_type, sizeof service->service_type, data.first.servicetype);
  FreeUPNPUrls(&urls);
  return isComplete;
}

bool plexus_soap_value(const char *answer, size_t length, const char *name, char *value, size_t capacity) {
  if (length > INT_MAX || capacity == 0) return false;
  struct NameValueParserData data;
  memset(&data, 0, sizeof data);
  ParseNameValue(answer, (int)length, &data);
  const char *found = GetValueFromNameValueList(&data, name);
  if (found) {
    size_t count = strnlen(found, capacity - 1);
    memcpy(value, found, count);
    value[count] = '\0';
  }
  ClearNameValueList(&data);
  return found != NULL;
}
