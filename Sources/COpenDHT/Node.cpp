#include "ClientSocket.hpp"
#include "Shim.hpp"

#include <opendht/utils.h>

#include <cerrno>
#include <future>
#include <system_error>

using namespace codht;

const char *codht_version(void) { return dht::version(); }

namespace {

/// Whether callbacks may still be made. Ending waits for the one that runs, so that none begins after.
class Gate {
 public:
  template <typename Work>
  void pass(Work &&work) {
    std::lock_guard<std::recursive_mutex> lock(mutex_);
    if (open_) work();
  }
  void close() {
    std::lock_guard<std::recursive_mutex> lock(mutex_);
    open_ = false;
  }

 private:
  std::recursive_mutex mutex_;
  bool open_ = true;
};

/// How long a client keeps what it has put, and what each node that it listens at has told it; the nodes themselves keep a value for ten
/// minutes, which is OpenDHT's own time here, too. All of it was handed over at once, and each value takes about 1.5 KB in every place.
/// Twice as long as what is asked for again, once a minute, is to be found without asking the network.
constexpr auto rememberedFor = std::chrono::minutes(2);

dht::SockAddr localAddress(const char *text, sa_family_t family, uint16_t port) {
  dht::SockAddr address;
  if (!text) return address;
  address.setFamily(family);
  void *bytes = family == AF_INET ? static_cast<void *>(&address.getIPv4().sin_addr)
                                  : static_cast<void *>(&address.getIPv6().sin6_addr);
  if (inet_pton(family, text, bytes) != 1) throw std::invalid_argument(std::string("no address: ") + text);
  address.setPort(port);
  return address;
}

/// Nodes then send only the values with this id: under the key of a busy peer lie the messages of ten minutes.
dht::Where where(uint64_t id) {
  dht::Where which;
  if (id != 0) which.id(id);
  return which;
}

std::unique_ptr<PollingSocket> openSocket(const codht_configuration &configuration, const dht::SockAddr &address4,
                                          const dht::SockAddr &address6, const dht::InfoHash &id, codht_failure *failure) try {
  std::unique_ptr<PollingSocket> socket;
  if (configuration.serves)
    socket = std::make_unique<PollingSocket>(address4, address6);
  else
    socket = std::make_unique<ClientSocket>(address4, address6, id, configuration.network);
  socket->start();
  return socket;
} catch (const std::system_error &problem) {
  if (problem.code().value() == EADDRINUSE) *failure = CODHT_PORT_TAKEN;
  throw std::runtime_error(std::strerror(problem.code().value()));
}

}  // namespace

struct codht_node {
  dht::DhtRunner runner;
  std::shared_ptr<Gate> gate = std::make_shared<Gate>();
  uint16_t port = 0;
  /// Shared with listeners, which may outlive the node: null once it has stopped.
  struct Link {
    std::mutex mutex;
    dht::DhtRunner *runner;
  };
  std::shared_ptr<Link> link = std::make_shared<Link>();

  codht_node() { link->runner = &runner; }
};

struct codht_listener {
  std::shared_ptr<Gate> gate;
  std::shared_ptr<codht_node::Link> link;
  dht::InfoHash key;
  std::shared_future<size_t> token;
};

codht_node *codht_node_start(const codht_configuration *configuration, codht_context context,
                             void (*status)(void *object, codht_status status), codht_failure *failure, char **error) {
  auto object = hold(context);
  return guarded<codht_node *>(error, nullptr, [&]() -> codht_node * {
    *failure = CODHT_OTHER;
    auto address4 = localAddress(configuration->address4, AF_INET, configuration->port);
    auto address6 = localAddress(configuration->address6, AF_INET6, configuration->port);
    // Without any IPv6 socket OpenDHT 2.4 gives token 0 for every listen and cannot cancel it: bind one that leads nowhere.
    if (!address6) address6 = localAddress("::1", AF_INET6, 0);

    auto node = std::make_unique<codht_node>();
    dht::DhtRunner::Config config;
    config.threaded = true;
    config.dht_config.node_config.network = configuration->network;
    config.dht_config.node_config.node_id = dht::InfoHash::getRandom();
    // Keys and values of others are no business of a client; its own puts are kept there too.
    // OpenDHT's own bound for the keys of a node that serves is 2^30, more than a machine holds; 64 MiB are its own for values.
    config.dht_config.node_config.max_store_keys = configuration->serves ? 1 << 17 : 4096;
    config.dht_config.node_config.max_store_size = configuration->serves ? 64 << 20 : 4 << 20;
    dht::DhtRunner::Context runnerContext;
    runnerContext.statusChangedCallback = [object, status, gate = node->gate](dht::NodeStatus v4, dht::NodeStatus v6) {
      // dht::NodeStatus: Disconnected, Connecting, Connected.
      const auto better = std::max(static_cast<int>(v4), static_cast<int>(v6));
      gate->pass([&] { status(object.get(), static_cast<codht_status>(better)); });
    };
    auto socket = openSocket(*configuration, address4, address6, config.dht_config.node_config.node_id, failure);
    node->port = socket->getPort(address4 ? AF_INET : AF_INET6);
    runnerContext.sock = std::move(socket);
    node->runner.run(config, std::move(runnerContext));
    if (!configuration->serves) node->runner.registerType({dht::ValueType::USER_DATA.id, "User Data", rememberedFor});
    return node.release();
  });
}

void codht_node_stop(codht_node *node) {
  node->gate->close();
  {
    std::lock_guard<std::mutex> lock(node->link->mutex);
    node->link->runner = nullptr;
  }
  guarded(nullptr, false, [&] {
    node->runner.join();
    return true;
  });
  delete node;
}

uint16_t codht_node_port(const codht_node *node) { return node->port; }

size_t codht_node_peers(codht_node *node, codht_peer *peers, size_t capacity) {
  return guarded<size_t>(nullptr, 0, [&] {
    size_t count = 0;
    // Clients are not in the routing table that is exported.
    for (const auto &known : node->runner.exportNodes()) {
      if (count == capacity) break;
      const dht::SockAddr address(reinterpret_cast<const sockaddr *>(&known.ss), known.sslen);
      auto &peer = peers[count];
      if (address.getFamily() == AF_INET) {
        peer.address_length = 4;
        std::memcpy(peer.address, &address.getIPv4().sin_addr, 4);
      } else if (address.getFamily() == AF_INET6) {
        peer.address_length = 16;
        std::memcpy(peer.address, &address.getIPv6().sin6_addr, 16);
      } else {
        continue;
      }
      peer.port = address.getPort();
      ++count;
    }
    return count;
  });
}

bool codht_node_ping(codht_node *node, const char *address, uint16_t port) {
  return guarded(nullptr, false, [&] {
    const bool isIPv6 = std::strchr(address, ':') != nullptr;
    node->runner.bootstrap(localAddress(address, isIPv6 ? AF_INET6 : AF_INET, port));
    return true;
  });
}

void codht_node_network_changed(codht_node *node) {
  guarded(nullptr, false, [&] {
    node->runner.connectivityChanged();
    return true;
  });
}

void codht_put(codht_node *node, const uint8_t key[CODHT_HASH_LENGTH], const codht_value *value, codht_context context,
               void (*done)(void *object, bool succeeded)) {
  auto object = hold(context);
  guarded(nullptr, false, [&] {
    // Not permanent: OpenDHT would probe every node first, a round trip more. Our caller repeats what is not answered.
    node->runner.put(infoHash(key), value->value, [object, done, gate = node->gate](bool succeeded) {
      gate->pass([&] { done(object.get(), succeeded); });
    });
    return true;
  });
}

void codht_cancel_put(codht_node *node, const uint8_t key[CODHT_HASH_LENGTH], uint64_t id) {
  guarded(nullptr, false, [&] {
    node->runner.cancelPut(infoHash(key), id);
    return true;
  });
}

void codht_get(codht_node *node, const uint8_t key[CODHT_HASH_LENGTH], uint64_t id, codht_context context,
               void (*value)(void *object, codht_value *value), void (*done)(void *object, bool succeeded)) {
  auto object = hold(context);
  guarded(nullptr, false, [&] {
    dht::GetCallback onValues = [object, value, gate = node->gate](const std::vector<std::shared_ptr<dht::Value>> &values) {
      gate->pass([&] {
        for (const auto &found : values) value(object.get(), new codht_value{found});
      });
      return true;
    };
    dht::DoneCallbackSimple onDone = [object, done, gate = node->gate](bool succeeded) {
      gate->pass([&] { done(object.get(), succeeded); });
    };
    node->runner.get(infoHash(key), std::move(onValues), std::move(onDone), {}, where(id));
    return true;
  });
}

codht_listener *codht_listen(codht_node *node, const uint8_t key[CODHT_HASH_LENGTH], codht_context context,
                             void (*value)(void *object, codht_value *value)) {
  auto object = hold(context);
  return guarded<codht_listener *>(nullptr, nullptr, [&] {
    auto listener = std::make_unique<codht_listener>();
    listener->gate = std::make_shared<Gate>();
    listener->link = node->link;
    listener->key = infoHash(key);
    // OpenDHT may forget a cancel (it does on a node without IPv6), so the gate is what ends a listen for our caller.
    dht::ValueCallback onValues = [object, value, nodeGate = node->gate, gate = listener->gate](
                                      const std::vector<std::shared_ptr<dht::Value>> &values, bool expired) {
      if (expired) return true;
      nodeGate->pass([&] {
        gate->pass([&] {
          for (const auto &found : values) value(object.get(), new codht_value{found});
        });
      });
      return true;
    };
    listener->token = node->runner.listen(listener->key, std::move(onValues)).share();
    return listener.release();
  });
}

void codht_listener_cancel(codht_listener *listener) {
  listener->gate->close();
  guarded(nullptr, false, [&] {
    std::lock_guard<std::mutex> lock(listener->link->mutex);
    if (listener->link->runner) listener->link->runner->cancelListen(listener->key, listener->token);
    return true;
  });
  delete listener;
}
