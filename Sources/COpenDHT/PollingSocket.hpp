// The UDP sockets of a node.
#pragma once

#include <opendht/dhtrunner.h>

#include <atomic>
#include <thread>

namespace codht {

/// In place of OpenDHT's own UdpSocket, which waits by select(2): that ends the whole process once a descriptor is 1024 or more, as in
/// a program with a thousand connections. It also leaves its descriptors open in programs that are started.
class PollingSocket : public dht::net::DatagramSocket {
 public:
  /// Binds those addresses that are set; a port of 0 takes any, for IPv6 preferably that of IPv4. Nothing is received before start().
  ///
  /// Throws std::system_error with what the kernel said, of IPv6 only if its port is taken: a machine may be without.
  PollingSocket(const dht::SockAddr &address4, const dht::SockAddr &address6);
  ~PollingSocket() override { end(); }

  /// Begins to receive. To be called once, before the socket is used otherwise.
  void start();

  int sendTo(const dht::SockAddr &destination, const uint8_t *data, size_t size, bool replied) override;
  bool hasIPv4() const override { return ipv4_.descriptor >= 0; }
  bool hasIPv6() const override { return ipv6_.descriptor >= 0; }
  const dht::SockAddr &getBoundRef(sa_family_t family) const override {
    return family == AF_INET6 ? ipv6_.bound : ipv4_.bound;
  }
  void stop() override;

 protected:
  /// Sees each packet before OpenDHT does, on the thread that receives.
  virtual void inspect(dht::net::ReceivedPacket &) {}

  /// Ends the receiving; to be called by each destructor, for the thread calls inspect().
  void end();

 private:
  struct Endpoint {
    int descriptor = -1;
    dht::SockAddr bound;
  };

  /// Closes what it holds however the constructor ends.
  struct Descriptors {
    std::vector<int> all;
    ~Descriptors();
  };

  Endpoint bound(const dht::SockAddr &address);
  void receive();
  void read(int descriptor);

  Descriptors descriptors_;
  Endpoint ipv4_, ipv6_;
  /// A byte in the second ends the thread, which waits for the first.
  int ending_[2] = {-1, -1};
  std::vector<uint8_t> buffer_;
  std::thread thread_;
};

}  // namespace codht
