import Datagrams
import HolePunching
import PlexusTesting

/// A simulated host with one socket on which a core runs from an instant on, until it has an outcome.
final class CoreHost<Core: DatagramCore>: SimulatedHost {
  private let socket: Endpoint
  private let start: Instant
  private let make: (Instant) -> Core
  private(set) var core: Core?
  private(set) var outcome: Core.Outcome?
  private(set) var endedAt: Instant?

  init(socket: Endpoint, start: Instant, make: @escaping (Instant) -> Core) {
    (self.socket, self.start, self.make) = (socket, start, make)
  }

  var timeout: Instant? {
    guard outcome == nil else { return nil }
    return core.map { $0.pollTimeout() } ?? start
  }

  func receive(_ datagram: Datagram, at socket: Endpoint, now: Instant) {
    guard outcome == nil else { return }
    core?.receive(datagram, now: now)
    proceed(now: now)
  }

  func handleTimeout(now: Instant) {
    if core == nil { core = make(now) }
    core?.handleTimeout(now: now)
    proceed(now: now)
  }

  func pollTransmit() -> (transmit: Transmit, socket: Endpoint)? {
    core?.pollTransmit().map { ($0, socket) }
  }

  private func proceed(now: Instant) {
    outcome = core?.pollOutcome()
    if outcome != nil { endedAt = now }
  }
}
