// The UDP socket of a node that only uses the DHT.
#pragma once

#include "PollingSocket.hpp"

#include <map>
#include <mutex>
#include <random>

namespace codht {

/// Makes our node a good guest, and lookups quick, by two small changes to what goes over the wire.
///
/// 1. Everything that we send carries the flag `s`, by which OpenDHT nodes (2.4 and 3.x) know a client: they answer it and
///    push values to it, but never hand it out to third parties. A node behind a NAT cannot be reached by
///    strangers: handed out, it costs each of them a request that times out. OpenDHT 2.4 reads the flag but has no
///    setting that sends it (3.x has: `client_mode`).
///
/// 2. A node that others hand out to us is shown to OpenDHT only once it has answered a ping of ours. OpenDHT starts
///    a put or listen when the eight closest nodes that it knows have answered, and gives up waiting for one that is
///    not there only after 1.0 to 1.25 s. So every unreachable node among the closest would cost
///    a second; like this it costs nothing, and one that is there a round trip.
class ClientSocket : public PollingSocket {
 public:
  ClientSocket(const dht::SockAddr &address4, const dht::SockAddr &address6, const dht::InfoHash &id, dht::NetId network)
      : PollingSocket(address4, address6), id_(id), network_(network) {}
  ~ClientSocket() override { end(); }

  int sendTo(const dht::SockAddr &destination, const uint8_t *data, size_t size, bool replied) override;

 protected:
  /// Notes the sender, and hides from `nodes` in the message (n4, n6) those that have not answered yet.
  void inspect(dht::net::ReceivedPacket &packet) override;

 private:
  using time_point = dht::time_point;

  struct Contact {
    time_point heard{};  ///< when it sent us something; never: the epoch
    time_point asked{};  ///< when we last sent it something
  };

  void hideUnheard(char *nodes, size_t size, size_t addressSize, time_point now);
  void noteAsked(const dht::SockAddr &address);
  bool isHeard(const dht::SockAddr &address, time_point now);
  void ping(const dht::SockAddr &address);
  void makeRoom(time_point now);

  const dht::InfoHash id_;
  const dht::NetId network_;
  std::mutex mutex_;
  std::map<dht::SockAddr, Contact> contacts_;
  time_point roomMade_{};  ///< when contacts were last forgotten
  double pingsLeft_ = 0;   ///< full at the first look: the epoch is long ago
  time_point pingsRefilled_{};
  std::mt19937 random_{std::random_device{}()};
};

}  // namespace codht
