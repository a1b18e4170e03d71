import Datagrams
import STUN

/// A simulated host that explores its network with the real core.
public final class ExploringHost: SimulatedHost {
  /// Its sockets, in the explorer's order.
  public let sockets: [Endpoint]
  private let start: Instant
  private let make: (Instant) -> NetworkExplorer
  private var explorer: NetworkExplorer?
  private var now = Instant.zero
  /// What became known, and when.
  public private(set) var events: [(time: Instant, event: ExplorationEvent)] = []
  /// What was sent, and when.
  public private(set) var sent: [(time: Instant, transmit: SocketTransmit)] = []
  /// What came out, once the exploration is over.
  public private(set) var report: NetworkReport?

  /// A host that explores from `start` on.
  ///
  /// - Parameters:
  ///   - address: its address; its sockets have the ports from `firstPort` on.
  ///   - servers: whom it asks.
  public init(
    address: IPAddress, firstPort: UInt16, servers: [STUNServer],
    configuration: NetworkExplorer.Configuration = .init(), start: Instant = .zero, random: SeededGenerator
  ) {
    let count = NetworkExplorer.socketCount(scope: configuration.scope, servers: servers.count)
    // Apart, so that a NAT which hands out neighbouring ports does not run into those of the other sockets.
    sockets = (0..<UInt16(count)).map { Endpoint(address: address, port: firstPort + 10 * $0) }
    self.start = start
    make = { [sockets] now in
      var random = random
      return NetworkExplorer(
        servers: servers, localAddresses: servers.map { _ in address }, sockets: sockets, configuration: configuration,
        now: now, using: &random)
    }
  }

  /// The core's timeout, or the start before that.
  public var timeout: Instant? { explorer.map { $0.pollTimeout() } ?? start }

  /// Gives the core a datagram.
  public func receive(_ datagram: Datagram, at socket: Endpoint, now: Instant) {
    guard let index = sockets.firstIndex(of: socket) else { return }
    explorer?.receive(datagram, on: index, now: now)
    proceed(now: now)
  }

  /// Starts the core, or lets it do what is due.
  public func handleTimeout(now: Instant) {
    if explorer == nil { explorer = make(now) } else { explorer?.handleTimeout(now: now) }
    proceed(now: now)
  }

  /// What the core sends.
  public func pollTransmit() -> (transmit: Transmit, socket: Endpoint)? {
    guard let pending = explorer?.pollTransmit() else { return nil }
    sent.append((now, pending))
    return (pending.transmit, sockets[pending.socket])
  }

  private func proceed(now: Instant) {
    self.now = now
    while let event = explorer?.pollEvent() {
      events.append((now, event))
      if case .finished(let report) = event { self.report = report }
    }
  }
}
