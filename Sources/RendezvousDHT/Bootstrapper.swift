import Datagrams
import Logging
import Synchronization

/// Connects a node and keeps it connected: greets every bootstrap host at once, again and again until one answers.
final class Bootstrapper: Sendable {
  /// A greeting costs 60 bytes, and a lost one must not cost the second after which OpenDHT repeats it.
  private static let greetings: [Duration] = [.zero, .milliseconds(250), .milliseconds(750)]
  /// Pauses between rounds; the last one goes on. A round resolves the names anew.
  private static let pauses: [Duration] = [.seconds(2), .seconds(2), .seconds(5), .seconds(10), .seconds(30)]
  /// A name may have many addresses; more than these say nothing new.
  private static let addressesPerHost = 8

  private let node: DHTNode
  private let hosts: [HostAndPort]
  private let withIPv6: Bool
  private let onEvent: @Sendable (DHTEvent) -> Void
  private let failures = Mutex<[HostAndPort: String]>([:])

  init(node: DHTNode, configuration: DHTConfiguration, onEvent: @escaping @Sendable (DHTEvent) -> Void) {
    self.node = node
    hosts = configuration.bootstrap
    withIPv6 = configuration.address6 != nil
    self.onEvent = onEvent
  }

  /// Runs until it is cancelled. The first connection is ``DHTRendezvous/join(timeout:)``'s to tell.
  func run(_ board: StatusBoard) async {
    await connect(board)
    while !Task.isCancelled {
      await board.wait { $0 == .disconnected }
      if Task.isCancelled { return }
      onEvent(.disconnected)
      await connect(board)
      if Task.isCancelled { return }
      onEvent(.connected)
    }
  }

  /// Why the hosts could not be asked, nil for those that just did not answer.
  var notFound: [HostAndPort: String] { failures.withLock { $0 } }

  private func connect(_ board: StatusBoard) async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        var pauses = Self.pauses[...]
        while !Task.isCancelled {
          await self.greetAll()
          let pause = pauses.count > 1 ? pauses.removeFirst() : pauses.first ?? .seconds(30)
          try? await Task.sleep(for: pause)
        }
      }
      group.addTask { await board.wait { $0 == .connected } }
      // The first never ends by itself.
      await group.next()
      group.cancelAll()
    }
  }

  /// One round over all hosts at once, so that a dead one costs the others nothing.
  private func greetAll() async {
    await withTaskGroup(of: Void.self) { group in
      for host in hosts { group.addTask { await self.greet(host) } }
    }
  }

  private func greet(_ host: HostAndPort) async {
    let addresses: [String]
    switch await resolveOrGiveUp(host) {
    case .success(let found):
      failures.withLock { $0[host] = nil }
      addresses = Array(found.prefix(Self.addressesPerHost))
    case .failure(let failure):
      let isNews = failures.withLock { $0.updateValue(failure.reason, forKey: host) == nil }
      if isNews, !Task.isCancelled { onEvent(.hostNotFound(host: host.host, reason: failure.reason)) }
      return
    }
    var passed = Duration.zero
    for greeting in Self.greetings {
      guard (try? await Task.sleep(for: greeting - passed)) != nil else { return }
      passed = greeting
      for address in addresses { node.ping(address: address, port: host.port ?? DHTConfiguration.defaultPort) }
    }
  }

  /// The C library may take longer over a name than we have: then its answer comes too late for this round.
  private func resolveOrGiveUp(_ host: HostAndPort) async -> Result<[String], ResolveFailure> {
    if let address = IPAddress(host.host) { return .success([address.description]) }
    return await resolve(host: host.host, withIPv6: withIPv6, timeout: .seconds(5))
  }
}
