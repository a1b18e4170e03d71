import Datagrams

/// What runs on a simulated host: a protocol core, a server, a model of somebody else's program.
///
/// The network calls it in virtual time, and polls its transmits and its timeout after each call.
public protocol SimulatedHost: AnyObject {
  /// When ``handleTimeout(now:)`` is to be called, if ever.
  var timeout: Instant? { get }

  /// Takes a datagram that arrived at one of the host's sockets.
  func receive(_ datagram: Datagram, at socket: Endpoint, now: Instant)

  /// Does what is due.
  func handleTimeout(now: Instant)

  /// The next datagram to send, until there is none, and the socket it leaves from.
  func pollTransmit() -> (transmit: Transmit, socket: Endpoint)?
}

/// A host that only answers: a STUN server, an echo, a recorder.
public final class SimulatedServer: SimulatedHost {
  /// Gives the answers to a datagram, each with the socket it leaves from.
  public typealias Respond = (_ datagram: Datagram, _ socket: Endpoint, _ now: Instant) -> [(Transmit, Endpoint)]

  private let respond: Respond
  private var outbox: [(transmit: Transmit, socket: Endpoint)] = []

  /// A host that answers each datagram with what `respond` gives.
  public init(respond: @escaping Respond) { self.respond = respond }

  /// Never: a server acts only on what comes in.
  public var timeout: Instant? { nil }

  /// Answers a datagram.
  public func receive(_ datagram: Datagram, at socket: Endpoint, now: Instant) {
    outbox += respond(datagram, socket, now).map { (transmit: $0, socket: $1) }
  }

  /// Does nothing.
  public func handleTimeout(now: Instant) {}

  /// The next answer to send.
  public func pollTransmit() -> (transmit: Transmit, socket: Endpoint)? {
    outbox.isEmpty ? nil : outbox.removeFirst()
  }
}
