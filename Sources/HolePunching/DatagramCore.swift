import DatagramSockets
import Datagrams

/// A protocol on datagrams without I/O: it is told what came in, what was sent and what time it is, and is
/// asked what to send, when to wake up, and what came of it.
public protocol DatagramCore {
  /// What the protocol ends with.
  associatedtype Outcome

  /// The next datagram to send, until there is none.
  mutating func pollTransmit() -> Transmit?

  /// The end, if it is reached. Everything that `pollTransmit()` has is to be sent first.
  func pollOutcome() -> Outcome?

  /// When to call ``handleTimeout(now:)`` at the latest, unless a datagram comes first.
  func pollTimeout() -> Instant?

  /// Takes a datagram that came in.
  mutating func receive(_ datagram: Datagram, now: Instant)

  /// Does what is due by `now`; nothing when it is early.
  mutating func handleTimeout(now: Instant)

  /// Takes note of how a transmit left, `failure` being the kernel's refusal.
  mutating func handleSent(_ transmit: Transmit, failure: (any Error)?, now: Instant)
}

extension UDPSocket {
  /// Runs a core on this socket, which stays open.
  ///
  /// - Throws: `CancellationError` as soon as the task is cancelled, and what `receive(until:)` throws when the socket
  ///   is closed. A send that fails is the core's matter.
  public func run<Core: DatagramCore>(_ core: inout Core) async throws -> Core.Outcome {
    while true {
      while let transmit = core.pollTransmit() {
        var failure: (any Error)?
        do { try await send(transmit) } catch { failure = error }
        core.handleSent(transmit, failure: failure, now: MonotonicClock.now)
      }
      if let outcome = core.pollOutcome() { return outcome }
      let datagram = try await receive(until: core.pollTimeout() ?? .distantFuture)
      let now = MonotonicClock.now
      if let datagram { core.receive(datagram, now: now) }
      // Also after a datagram: a flood must not keep the core from its deadlines.
      core.handleTimeout(now: now)
    }
  }
}
