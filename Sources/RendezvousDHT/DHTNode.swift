import COpenDHT
import Datagrams
import Rendezvous
import Synchronization

/// A node of the DHT. Safe to use from any task; everything but ``stop()`` and ``move(to:)`` returns at once.
final class DHTNode: Sendable {
  /// What a node needs to start.
  struct Parameters: Sendable {
    var port: UInt16
    var address4: String?
    var address6: String?
    var network: UInt32
    var serves: Bool
  }

  /// How the node stands to the network.
  enum Status: Hashable, Sendable { case disconnected, connecting, connected }

  struct StartFailure: Error {
    var isPortTaken: Bool
    var reason: String
  }

  private struct State {
    /// Nil while there is none: between two addresses, or stopped.
    var handle: Handle?
    var port: UInt16
    var isStopped = false
  }

  /// The local port.
  var port: UInt16 { state.withLock { $0.port } }
  private let state: Mutex<State>
  private let listens = Listens()
  private let onStatus: @Sendable (Status) -> Void

  init(_ parameters: Parameters, onStatus: @escaping @Sendable (Status) -> Void) throws(StartFailure) {
    let started = try Self.start(parameters, onStatus)
    self.onStatus = onStatus
    state = Mutex(State(handle: started, port: codht_node_port(started.pointer)))
  }

  private static func start(
    _ parameters: Parameters, _ onStatus: @escaping @Sendable (Status) -> Void
  ) throws(StartFailure) -> Handle {
    var failure = CODHT_OTHER
    var error: UnsafeMutablePointer<CChar>?
    let started = withOptionalCString(parameters.address4) { address4 in
      withOptionalCString(parameters.address6) { address6 in
        var configuration = codht_configuration(
          port: parameters.port, address4: address4, address6: address6, network: parameters.network,
          serves: parameters.serves)
        return codht_node_start(
          &configuration, Callback(onStatus).context,
          { object, status in
            Callback<Status>.at(object).call(
              status == CODHT_CONNECTED ? .connected : status == CODHT_CONNECTING ? .connecting : .disconnected)
          }, &failure, &error)
      }
    }
    guard let started else {
      throw StartFailure(isPortTaken: failure == CODHT_PORT_TAKEN, reason: text(taking: error))
    }
    return Handle(pointer: started)
  }

  deinit { stop() }

  /// Ends the node: no callback comes after this returned. Takes some milliseconds; not to be called from a callback.
  func stop() {
    let handle = state.withLock { state in
      state.isStopped = true
      return state.handle.take()
    }
    if let handle { codht_node_stop(handle.pointer) }
  }

  /// Ends what is bound to one address and starts anew at another, as a newcomer that has yet to greet somebody. Listens go on there;
  /// what was put or asked for is not done again, and its callbacks may never come. Not to be called from a callback, nor twice at a time.
  ///
  /// - Throws: why it cannot be started; there is no node then until another move succeeds.
  func move(to parameters: Parameters) throws(StartFailure) {
    if let old = state.withLock({ $0.handle.take() }) {
      codht_node_stop(old.pointer)
      onStatus(.disconnected)
    }
    let started = try Self.start(parameters, onStatus)
    let isStopped = state.withLock { state in
      guard !state.isStopped else { return true }
      state.handle = started
      state.port = codht_node_port(started.pointer)
      // Under the lock, under which others begin to listen: each listens once.
      for listener in listens.all { listener.begin(on: started.pointer) }
      return false
    }
    if isStopped { codht_node_stop(started.pointer) }
  }

  /// How many listens are under way.
  var listenCount: Int { listens.all.count }

  /// Greets a node: its answer connects us.
  func ping(address: String, port: UInt16) {
    with { _ = codht_node_ping($0, address, port) }
  }

  /// Nodes that serve others and have answered of late, 256 at most: a routing table holds eight for each bit that ids differ by.
  func goodNodes() -> [Endpoint] {
    with { node in
      var peers = [codht_peer](repeating: codht_peer(), count: 256)
      let count = codht_node_peers(node, &peers, peers.count)
      return peers.prefix(count).compactMap { peer in
        let bytes = withUnsafeBytes(of: peer.address) { Array($0.prefix(Int(peer.address_length))) }
        return IPAddress(bytes: bytes).map { Endpoint(address: $0.unmapped, port: peer.port) }
      }
    } ?? []
  }

  /// Puts a value; `done` is called once the nodes asked have answered or been given up.
  func put(_ value: SealedValue, at key: DHTKey, done: @escaping @Sendable (Bool) -> Void = { _ in }) {
    with { node in
      codht_put(node, key.bytes, value.pointer, Callback(done).context) { Callback<Bool>.at($0).call($1) }
    }
  }

  /// Asks once for the values under `key`, with one id or with any.
  func get(
    _ key: DHTKey, id: UInt64 = 0, value: @escaping @Sendable (SealedValue) -> Void,
    done: @escaping @Sendable () -> Void = {}
  ) {
    with { node in
      codht_get(
        node, key.bytes, id, Callback<SealedValue?>({ $0.map(value) ?? done() }).context,
        { object, found in
          guard let found else { return }
          Callback<SealedValue?>.at(object).call(SealedValue(owning: found))
        },
        { object, _ in Callback<SealedValue?>.at(object).call(nil) })
    }
  }

  /// Finds the nodes closest to `key`, so that a put or listen there starts at once. Asks for no value: no message has number 1.
  func warm(_ key: DHTKey) { get(key, id: 1) { _ in } }

  /// Listens under `key`, until the listener is cancelled or dropped; nil when the node has stopped.
  func listen(_ key: DHTKey, value: @escaping @Sendable (SealedValue) -> Void) -> DHTListener? {
    state.withLock { state in
      guard !state.isStopped else { return nil }
      let listener = DHTListener(key: key, value: value)
      listens.add(listener)
      if let handle = state.handle { listener.begin(on: handle.pointer) }
      return listener
    }
  }

  @discardableResult
  private func with<Result: Sendable>(_ body: (OpaquePointer) -> Result) -> Result? {
    state.withLock { state in state.handle.map { body($0.pointer) } }
  }
}

/// An object of the shim. `@unchecked`: the shim's functions for nodes and listeners may be called from any thread.
struct Handle: @unchecked Sendable {
  let pointer: OpaquePointer
}

private func withOptionalCString<Result>(_ text: String?, _ body: (UnsafePointer<CChar>?) -> Result) -> Result {
  guard let text else { return body(nil) }
  return text.withCString { body($0) }
}
