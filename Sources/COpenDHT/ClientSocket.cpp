#include "ClientSocket.hpp"

#include <vector>

using namespace std::chrono_literals;

namespace codht {

namespace {

/// As long as OpenDHT itself takes a node that it has heard for alive (Node::NODE_EXPIRE_TIME).
constexpr auto heardFor = 10min;
/// A ping may be lost, and a node is handed out again and again: ask anew, but not with every reply.
constexpr auto pingAgain = 500ms;
/// A reply later than this belongs to no request of OpenDHT any more.
constexpr auto repliesWithin = 30s;
/// Pings at once, and in each second that follows: a lookup meets a few dozen nodes, joining some more. Who answers us may be
/// lying, and what it names need be no nodes.
constexpr double pingsAtOnce = 256;
constexpr double pingsPerSecond = 64;
/// Bytes of a node id.
constexpr size_t idSize = 20;
/// About 130 bytes each. A lookup meets a few dozen; what does not fit is shown to OpenDHT unasked.
constexpr size_t contactsAtMost = 4096;

/// Looking through all of them takes a millisecond, and in a flood of strangers none is old for minutes.
constexpr auto makeRoomAgain = 1s;

/// msgpack: a map of fewer than 15 pairs is one byte 0x80 | count, so there is room for one more.
bool takesOneMorePair(const uint8_t *data, size_t size) {
  return size > 0 && data[0] >= 0x80 && data[0] < 0x8F;
}

/// Whether an address can be a node's: neither nothing nor everybody. OpenDHT does not ask others either.
bool isOneHosts(const dht::SockAddr &address) {
  if (address.getFamily() == AF_INET) {
    const auto first = ntohl(address.getIPv4().sin_addr.s_addr) >> 24;
    return first != 0 && first < 224;
  }
  const auto &ip = address.getIPv6().sin6_addr;
  return !IN6_IS_ADDR_UNSPECIFIED(&ip) && !IN6_IS_ADDR_MULTICAST(&ip) && !IN6_IS_ADDR_LINKLOCAL(&ip) &&
         !IN6_IS_ADDR_V4MAPPED(&ip);
}

/// msgpack: the string "s", true.
constexpr uint8_t clientFlag[] = {0xA1, 's', 0xC3};

}  // namespace

int ClientSocket::sendTo(const dht::SockAddr &destination, const uint8_t *data, size_t size, bool replied) {
  noteAsked(destination);
  if (!takesOneMorePair(data, size)) return PollingSocket::sendTo(destination, data, size, replied);
  std::vector<uint8_t> flagged;
  flagged.reserve(size + sizeof clientFlag);
  flagged.assign(data, data + size);
  flagged[0] += 1;
  flagged.insert(flagged.end(), std::begin(clientFlag), std::end(clientFlag));
  return PollingSocket::sendTo(destination, flagged.data(), flagged.size(), replied);
}

void ClientSocket::inspect(dht::net::ReceivedPacket &packet) try {
  const auto now = dht::clock::now();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    // OpenDHT takes nodes from replies alone. What anybody else says must not set us off, and leaves nothing behind.
    auto contact = contacts_.find(packet.from);
    if (contact == contacts_.end()) return;
    contact->second.heard = now;
    if (now - contact->second.asked > repliesWithin) return;
  }
  if (packet.data.empty()) return;
  auto bytes = reinterpret_cast<char *>(packet.data.data());
  // Binaries are left where they are, so that hiding a node changes the packet itself.
  const auto unpacked = msgpack::unpack(
      bytes, packet.data.size(), [](msgpack::type::object_type, size_t, void *) { return true; }, nullptr,
      msgpack::unpack_limit(256, 64, 4096, 65536, 65536, 16));
  const auto &message = unpacked.get();
  if (message.type != msgpack::type::MAP) return;
  for (uint32_t i = 0; i < message.via.map.size; ++i) {
    const auto &body = message.via.map.ptr[i].val;
    if (body.type != msgpack::type::MAP) continue;
    for (uint32_t j = 0; j < body.via.map.size; ++j) {
      const auto &pair = body.via.map.ptr[j];
      if (pair.key.type != msgpack::type::STR || pair.val.type != msgpack::type::BIN) continue;
      const std::string_view key(pair.key.via.str.ptr, pair.key.via.str.size);
      const size_t addressSize = key == "n4" ? 4 : key == "n6" ? 16 : 0;
      if (addressSize == 0) continue;
      // The pointer is into `bytes`, which are ours to change.
      hideUnheard(bytes + (pair.val.via.bin.ptr - bytes), pair.val.via.bin.size, addressSize, now);
    }
  }
} catch (const std::exception &) {
  // Not msgpack: OpenDHT will drop it.
}

/// `nodes` are id (20 bytes), address and port each. A port of 0 makes OpenDHT skip one.
void ClientSocket::hideUnheard(char *nodes, size_t size, size_t addressSize, time_point now) {
  const size_t entrySize = idSize + addressSize + 2;
  if (size % entrySize != 0) return;
  for (size_t start = 0; start < size; start += entrySize) {
    char *entry = nodes + start;
    if (std::memcmp(entry, id_.data(), idSize) == 0) continue;
    dht::SockAddr address;
    char *addressBytes = entry + idSize;
    if (addressSize == 4) {
      address.setFamily(AF_INET);
      std::memcpy(&address.getIPv4().sin_addr, addressBytes, 4);
      std::memcpy(&address.getIPv4().sin_port, addressBytes + 4, 2);
    } else {
      address.setFamily(AF_INET6);
      std::memcpy(&address.getIPv6().sin6_addr, addressBytes, 16);
      std::memcpy(&address.getIPv6().sin6_port, addressBytes + 16, 2);
    }
    if (address.getPort() == 0 || isHeard(address, now)) continue;
    std::memset(addressBytes + addressSize, 0, 2);
  }
}

/// Notes that we send something to an address, whose replies count from now on.
void ClientSocket::noteAsked(const dht::SockAddr &address) {
  const auto now = dht::clock::now();
  std::lock_guard<std::mutex> lock(mutex_);
  if (contacts_.size() >= contactsAtMost && now - roomMade_ >= makeRoomAgain) makeRoom(now);
  auto contact = contacts_.find(address);
  if (contact != contacts_.end())
    contact->second.asked = now;
  else if (contacts_.size() < contactsAtMost)
    contacts_[address].asked = now;
}

/// Whether a node has been heard of late, or cannot be asked; asks it if not.
bool ClientSocket::isHeard(const dht::SockAddr &address, time_point now) {
  if (!isOneHosts(address)) return true;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    auto contact = contacts_.find(address);
    if (contact != contacts_.end()) {
      const auto &known = contact->second;
      if (known.heard != time_point{} && now - known.heard < heardFor) return true;
      if (known.asked != time_point{} && now - known.asked < pingAgain) return false;
    } else if (contacts_.size() >= contactsAtMost) {
      return true;
    }
    const std::chrono::duration<double> passed = now - pingsRefilled_;
    pingsLeft_ = std::min(pingsAtOnce, pingsLeft_ + pingsPerSecond * passed.count());
    pingsRefilled_ = now;
    // OpenDHT asks few of those that it is shown.
    if (pingsLeft_ < 1) return true;
    pingsLeft_ -= 1;
  }
  ping(address);
  return false;
}

/// Its answer goes to OpenDHT, which takes it for a sign of life of a new node and asks it in every lookup that it fits.
void ClientSocket::ping(const dht::SockAddr &address) {
  msgpack::sbuffer buffer;
  msgpack::packer<msgpack::sbuffer> packer(&buffer);
  packer.pack_map(5 + (network_ ? 1 : 0));
  packer.pack(std::string_view("a"));
  packer.pack_map(1);
  packer.pack(std::string_view("id"));
  packer.pack(id_);
  packer.pack(std::string_view("q"));
  packer.pack(std::string_view("ping"));
  packer.pack(std::string_view("t"));
  packer.pack(uint32_t(random_()));
  packer.pack(std::string_view("y"));
  packer.pack(std::string_view("q"));
  packer.pack(std::string_view("v"));
  packer.pack(std::string_view("RNG1"));
  if (network_) {
    packer.pack(std::string_view("n"));
    packer.pack(network_);
  }
  sendTo(address, reinterpret_cast<const uint8_t *>(buffer.data()), buffer.size(), false);
}

/// Forgets who was neither heard nor asked for as long as being heard counts.
void ClientSocket::makeRoom(time_point now) {
  roomMade_ = now;
  for (auto contact = contacts_.begin(); contact != contacts_.end();) {
    const auto last = std::max(contact->second.heard, contact->second.asked);
    contact = now - last < heardFor ? std::next(contact) : contacts_.erase(contact);
  }
}

}  // namespace codht
