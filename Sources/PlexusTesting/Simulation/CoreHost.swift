import Datagrams

/// A simulated host with one socket on which a core runs from an instant on, until it has an outcome.
public final class CoreHost<Core: DatagramCore>: SimulatedHost {
  private let socket: Endpoint
  private let start: Instant
  private let make: (Instant) -> Core
  private var core: Core?
  /// What the core ended with, once it has.
  public private(set) var outcome: Core.Outcome?
  /// When that was.
  public private(set) var endedAt: Instant?

  /// A host that makes its core at `start`.
  public init(socket: Endpoint, start: Instant, make: @escaping (Instant) -> Core) {
    (self.socket, self.start, self.make) = (socket, start, make)
  }

  /// The core's timeout, or the start before that.
  public var timeout: Instant? {
    guard outcome == nil else { return nil }
    return core.map { $0.pollTimeout() } ?? start
  }

  /// Gives the core a datagram; before the start nobody listens.
  public func receive(_ datagram: Datagram, at socket: Endpoint, now: Instant) {
    guard outcome == nil else { return }
    core?.receive(datagram, now: now)
    proceed(now: now)
  }

  /// Starts the core, or lets it do what is due.
  public func handleTimeout(now: Instant) {
    if core == nil { core = make(now) }
    core?.handleTimeout(now: now)
    proceed(now: now)
  }

  /// What the core sends.
  public func pollTransmit() -> (transmit: Transmit, socket: Endpoint)? {
    core?.pollTransmit().map { ($0, socket) }
  }

  private func proceed(now: Instant) {
    outcome = core?.pollOutcome()
    if outcome != nil { endedAt = now }
  }
}
