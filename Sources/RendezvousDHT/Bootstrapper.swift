import Datagrams
import Logging
import Synchronization

/// Connects a node and keeps it connected: greets every bootstrap host and every node known from before at once, again and again
/// until one answers.
final class Bootstrapper: Sendable {
  /// A greeting costs 60 bytes, and a lost one must not cost the second after which OpenDHT repeats it.
  private static let greetings: [Duration] = [.zero, .milliseconds(250), .milliseconds(750)]
  /// There are many, so it matters less that a greeting is lost.
  private static let greetingsOfKnown: [Duration] = [.zero, .milliseconds(250)]
  /// Pauses between rounds; the last one goes on. A round resolves the names anew.
  private static let pauses: [Duration] = [.seconds(2), .seconds(2), .seconds(5), .seconds(10), .seconds(30)]
  /// A name may have many addresses; more than these say nothing new.
  private static let addressesPerHost = 8

  private let node: DHTNode
  private let hosts: [HostAndPort]
  private let withIPv6: Bool
  private let knownNodes: @Sendable () -> [Endpoint]
  private let onEvent: @Sendable (DHTEvent) -> Void
  private let tried = Mutex(Tried())

  /// Whom it has greeted so far.
  struct Tried {
    /// Why hosts could not be asked; those that just did not answer are not in it.
    var notFound: [HostAndPort: String] = [:]
    /// The number of nodes known from before.
    var known = 0
  }

  /// - Parameter knownNodes: the nodes known from before; asked for whenever there is no connection.
  init(
    node: DHTNode, configuration: DHTConfiguration, knownNodes: @escaping @Sendable () -> [Endpoint] = { [] },
    onEvent: @escaping @Sendable (DHTEvent) -> Void
  ) {
    self.node = node
    hosts = configuration.bootstrap
    withIPv6 = configuration.address6 != nil
    self.knownNodes = knownNodes
    self.onEvent = onEvent
  }

  /// Runs until it is cancelled. The first connection is ``DHTRendezvous/join(timeout:)``'s to tell.
  func run(_ board: StatusBoard) async {
    var isFirst = true
    while true {
      // Not cut short when a known node answers first: that one may be on an island, or all may be the work of one who wants
      // to be our whole world, and then the hosts lead out of it.
      async let introduction: Void = greetHosts(board)
      await connect(board)
      if Task.isCancelled { return }
      if !isFirst { onEvent(.connected) }
      isFirst = false
      await introduction
      await board.wait { $0 == .disconnected }
      if Task.isCancelled { return }
      onEvent(.disconnected)
    }
  }

  /// A round over all at once, beside those of ``run(_:)``: at a new address there is nothing to wait for.
  func greetAll(_ board: StatusBoard) async {
    async let hosts: Void = greetHosts(board)
    await greet(knownNodes())
    await hosts
  }

  /// Whom it has greeted so far, for the sentence that nobody answered.
  var attempts: Tried { tried.withLock { $0 } }

  /// Greets until somebody has answered; the first round over the hosts is the caller's.
  private func connect(_ board: StatusBoard) async {
    let known = knownNodes()
    tried.withLock { $0.known = known.count }
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        await self.greet(known)
        var pauses = Self.pauses[...]
        while true {
          let pause = pauses.count > 1 ? pauses.removeFirst() : pauses.first ?? .seconds(30)
          guard (try? await Task.sleep(for: pause)) != nil else { return }
          async let hosts: Void = self.greetHosts(board)
          await self.greet(known)
          await hosts
        }
      }
      group.addTask { await board.wait { $0 == .connected } }
      // The first never ends by itself.
      await group.next()
      group.cancelAll()
    }
  }

  /// One round over all hosts at once, so that a dead one costs the others nothing.
  private func greetHosts(_ board: StatusBoard) async {
    await withTaskGroup(of: Void.self) { group in
      for host in hosts { group.addTask { await self.greet(host, board) } }
    }
  }

  private func greet(_ host: HostAndPort, _ board: StatusBoard) async {
    let addresses: [String]
    switch await resolveOrGiveUp(host) {
    case .success(let found):
      tried.withLock { $0.notFound[host] = nil }
      addresses = Array(found.prefix(Self.addressesPerHost))
    case .failure(let failure):
      let isNews = tried.withLock { $0.notFound.updateValue(failure.reason, forKey: host) == nil }
      if isNews, !Task.isCancelled { onEvent(.hostNotFound(host: host.host, reason: failure.reason)) }
      return
    }
    await repeating(Self.greetings) { isFirst in
      // OpenDHT itself repeats the first after a second; nothing waits for it any more.
      guard isFirst || !board.isConnected else { return }
      for address in addresses { node.ping(address: address, port: host.port ?? DHTConfiguration.defaultPort) }
    }
  }

  /// All at once: a dead one costs a datagram or two.
  private func greet(_ known: [Endpoint]) async {
    guard !known.isEmpty else { return }
    await repeating(Self.greetingsOfKnown) { _ in
      for endpoint in known { node.ping(address: endpoint.address.description, port: endpoint.port) }
    }
  }

  private func repeating(_ times: [Duration], _ body: (_ isFirst: Bool) -> Void) async {
    var passed = Duration.zero
    for time in times {
      guard (try? await Task.sleep(for: time - passed)) != nil else { return }
      passed = time
      body(time == .zero)
    }
  }

  /// The C library may take longer over a name than we have: then its answer comes too late for this round.
  private func resolveOrGiveUp(_ host: HostAndPort) async -> Result<[String], ResolveFailure> {
    if let address = IPAddress(host.host) { return .success([address.description]) }
    return await resolve(host: host.host, withIPv6: withIPv6, timeout: .seconds(5))
  }
}
