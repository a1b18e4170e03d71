import Datagrams

/// Keeps a NAT's mapping alive by a Binding request now and then, and notices when the public endpoint changes.
/// It does no I/O.
public struct MappingKeeper: Sendable {
  private enum State {
    case resting(until: Instant)
    case asking(STUNTransactionID, RetransmissionTimer, next: Instant)
  }

  private let server: Endpoint
  private let interval: Duration
  private let retransmission: RetransmissionPolicy
  private var state: State
  private var pending: Transmit?
  private(set) var publicEndpoint: Endpoint?

  /// Starts with a rest, since a mapping that was just discovered is fresh.
  ///
  /// - Parameters:
  ///   - server: where the requests go.
  ///   - interval: the time between requests, at least 1 s.
  ///   - publicEndpoint: the one known so far.
  public init(
    server: Endpoint, interval: Duration, publicEndpoint: Endpoint?, retransmission: RetransmissionPolicy = .init(),
    now: Instant
  ) {
    self.server = server
    self.interval = max(interval, .seconds(1))
    self.retransmission = retransmission
    self.publicEndpoint = publicEndpoint
    state = .resting(until: now.advanced(by: self.interval))
  }

  /// The next datagram to send.
  public mutating func pollTransmit() -> Transmit? {
    defer { pending = nil }
    return pending
  }

  /// When to call ``handleTimeout(now:using:)``.
  public func pollTimeout() -> Instant {
    switch state {
    case .resting(let until): until
    case .asking(_, let timer, let next): min(timer.deadline, next)
    }
  }

  /// Asks, or asks again; an unanswered request is followed by the next one in its time.
  public mutating func handleTimeout(now: Instant, using random: inout some RandomNumberGenerator) {
    switch state {
    case .resting(let until) where now >= until, .asking(_, _, next: let until) where now >= until:
      let id = STUNTransactionID(using: &random)
      let timer = RetransmissionTimer(policy: retransmission, timeout: retransmission.initialTimeout, now: now)
      state = .asking(id, timer, next: now.advanced(by: interval))
      ask(id)
    case .resting: break
    case .asking(let id, var timer, let next):
      switch timer.fire(at: now) {
      case .transmit?:
        state = .asking(id, timer, next: next)
        ask(id)
      case .giveUp?: state = .resting(until: next)
      case nil: break
      }
    }
  }

  /// Takes a datagram; returns the public endpoint if it is another one than before.
  public mutating func receive(_ datagram: Datagram) -> Endpoint? {
    guard case .asking(let id, _, let next) = state, datagram.source == server,
      let message = try? STUNMessage(decoding: datagram.payload),
      message.transactionID == id, message.messageClass == .success || message.messageClass == .error
    else { return nil }
    state = .resting(until: next)
    guard message.messageClass == .success, let mapped = message.mappedEndpoint, mapped.address.isUnicast,
      mapped.port != 0, mapped.address.family == server.address.family, mapped != publicEndpoint
    else { return nil }
    defer { publicEndpoint = mapped }
    return publicEndpoint == nil ? nil : mapped
  }

  private mutating func ask(_ id: STUNTransactionID) {
    pending = Transmit(to: server, payload: STUNMessage(.request, transactionID: id).encoded())
  }
}
