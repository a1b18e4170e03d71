#include "Shim.hpp"

#include <netdb.h>
#include <sys/socket.h>
#include <thread>

using namespace codht;

void codht_resolve(const char *host, bool with_ipv6, codht_context context,
                   void (*address)(void *object, const char *address), void (*done)(void *object, const char *error)) {
  auto object = hold(context);
  char *problem = nullptr;
  const bool started = guarded(&problem, false, [&] {
    // getaddrinfo(3) cannot be cancelled and may take many seconds: a thread that nobody waits for.
    std::thread([object, address, done, with_ipv6, host = std::string(host)] {
      addrinfo hints{};
      hints.ai_family = with_ipv6 ? AF_UNSPEC : AF_INET;
      hints.ai_socktype = SOCK_DGRAM;
      addrinfo *found = nullptr;
      const int result = getaddrinfo(host.c_str(), nullptr, &hints, &found);
      if (result != 0) {
        done(object.get(), gai_strerror(result));
        return;
      }
      for (auto entry = found; entry; entry = entry->ai_next) {
        char text[NI_MAXHOST];
        if (getnameinfo(entry->ai_addr, entry->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0)
          address(object.get(), text);
      }
      freeaddrinfo(found);
      done(object.get(), nullptr);
    }).detach();
    return true;
  });
  if (!started) done(object.get(), problem ? problem : "no thread");
  std::free(problem);
}
