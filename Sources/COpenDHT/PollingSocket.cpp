#include "PollingSocket.hpp"

#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

using namespace std::chrono_literals;

namespace codht {

namespace {

/// The largest UDP datagram.
constexpr size_t packetSize = 65536;
/// Read from one family before the other gets its turn.
constexpr int packetsInARow = 64;
/// Where receiving fails again and again, it must not take a core.
constexpr auto pauseAfterFailure = 10ms;

/// Neither blocks nor is left to programs that are started.
int prepared(int descriptor) {
  if (descriptor < 0) return descriptor;
  fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL, 0) | O_NONBLOCK);
  return descriptor;
}

/// On Linux there is no moment in which another thread could start a program that gets the descriptor.
int openSocket(sa_family_t family) {
#ifdef SOCK_CLOEXEC
  return socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
#else
  return prepared(socket(family, SOCK_DGRAM, 0));
#endif
}

int openPipe(int ends[2]) {
#ifdef __linux__
  return pipe2(ends, O_CLOEXEC | O_NONBLOCK);
#else
  if (pipe(ends) < 0) return -1;
  prepared(ends[0]);
  prepared(ends[1]);
  return 0;
#endif
}

[[noreturn]] void fail(int error) { throw std::system_error(error, std::generic_category()); }

}  // namespace

PollingSocket::Descriptors::~Descriptors() {
  for (int descriptor : all) close(descriptor);
}

PollingSocket::PollingSocket(const dht::SockAddr &address4, const dht::SockAddr &address6) : buffer_(packetSize) {
  descriptors_.all.reserve(4);
  if (openPipe(ending_) < 0) fail(errno);
  descriptors_.all.insert(descriptors_.all.end(), ending_, ending_ + 2);
  if (address4) ipv4_ = bound(address4);
  if (!address6) return;
  if (address6.getPort() == 0 && hasIPv4()) {
    auto same = address6;
    same.setPort(ipv4_.bound.getPort());
    try {
      ipv6_ = bound(same);
      return;
    } catch (const std::system_error &) {
    }
  }
  try {
    ipv6_ = bound(address6);
  } catch (const std::system_error &problem) {
    if (problem.code().value() == EADDRINUSE || !hasIPv4()) throw;
  }
}

PollingSocket::Endpoint PollingSocket::bound(const dht::SockAddr &address) {
  Endpoint endpoint;
  const int descriptor = openSocket(address.getFamily());
  if (descriptor < 0) fail(errno);
  const int on = 1;
  if (address.getFamily() == AF_INET6) setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  sockaddr_storage name;
  socklen_t length = sizeof name;
  if (bind(descriptor, address.get(), address.getLength()) < 0 ||
      getsockname(descriptor, reinterpret_cast<sockaddr *>(&name), &length) < 0) {
    const int error = errno;
    close(descriptor);
    fail(error);
  }
  descriptors_.all.push_back(descriptor);
  endpoint.descriptor = descriptor;
  endpoint.bound = dht::SockAddr(reinterpret_cast<const sockaddr *>(&name), length);
  return endpoint;
}

void PollingSocket::start() {
  thread_ = std::thread([this] { receive(); });
}

int PollingSocket::sendTo(const dht::SockAddr &destination, const uint8_t *data, size_t size, bool replied) {
  if (!destination) return EFAULT;
  const int descriptor = destination.getFamily() == AF_INET    ? ipv4_.descriptor
                         : destination.getFamily() == AF_INET6 ? ipv6_.descriptor
                                                               : -1;
  if (descriptor < 0) return EAFNOSUPPORT;
  int flags = 0;
#ifdef MSG_CONFIRM
  if (replied) flags |= MSG_CONFIRM;
#else
  (void)replied;
#endif
  return sendto(descriptor, data, size, flags, destination.get(), destination.getLength()) < 0 ? errno : 0;
}

void PollingSocket::receive() {
  pollfd waits[] = {{ending_[0], POLLIN, 0}, {ipv4_.descriptor, POLLIN, 0}, {ipv6_.descriptor, POLLIN, 0}};
  while (true) {
    // A family that is not bound has a negative descriptor, which poll passes over.
    if (poll(waits, std::size(waits), -1) < 0) {
      if (errno != EINTR) std::this_thread::sleep_for(pauseAfterFailure);
      continue;
    }
    if (waits[0].revents) return;
    if (waits[1].revents) read(ipv4_.descriptor);
    if (waits[2].revents) read(ipv6_.descriptor);
  }
}

void PollingSocket::read(int descriptor) try {
  for (int count = 0; count < packetsInARow; ++count) {
    sockaddr_storage from;
    socklen_t length = sizeof from;
    const ssize_t size =
        recvfrom(descriptor, buffer_.data(), buffer_.size(), 0, reinterpret_cast<sockaddr *>(&from), &length);
    if (size < 0) {
      if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) std::this_thread::sleep_for(pauseAfterFailure);
      return;
    }
    if (size == 0) continue;
    // Packets that OpenDHT has read come back, to be filled again.
    auto packets = getNewPacket();
    auto &packet = packets.front();
    packet.data.assign(buffer_.begin(), buffer_.begin() + size);
    packet.from = dht::SockAddr(reinterpret_cast<const sockaddr *>(&from), length);
    packet.received = dht::clock::now();
    inspect(packet);
    onReceived(std::move(packets));
  }
} catch (const std::exception &) {
  // Out of memory: the packet is lost, as any may be.
}

void PollingSocket::stop() {
  const char end = 0;
  if (write(ending_[1], &end, 1) < 0) {
    // The pipe is full: it was told before.
  }
}

void PollingSocket::end() {
  stop();
  if (thread_.joinable()) thread_.join();
}

}  // namespace codht
