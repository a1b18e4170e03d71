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
