import Datagrams

/// Punches a hole to one peer and shakes hands with it, without I/O.
///
/// Beyond the reference's exchange each datagram carries, in bits that are random to the reference, an echo of the one
/// it answers. So peers of this kind know what arrived, conclude nothing from chance, and repeat their last word until
/// it is acknowledged. Whatever does not come from the peer's endpoint, has another length or a wrong sum, or is
/// a reflection of an own datagram, is counted and ignored.
public struct Puncher: DatagramCore, Sendable {
  /// The passage, or why there is none.
  public typealias Outcome = Result<PunchResult, PunchFailure>

  private enum State {
    case running(any PunchSide)
    case ended(Outcome)
  }

  private var state: State
  private var link: PunchLink
  private let start: Instant
  private let deadline: Instant
  private var hasSent = false
  private var failingSince: Instant?
  private var sendError: String?

  /// Starts to punch: the first probe can be polled at once.
  ///
  /// - Parameters:
  ///   - secret: the XOR of the two puzzles of the rendezvous.
  ///   - peer: the peer's public endpoint, the only source that is listened to.
  ///   - generator: gives the random bytes, 8 a datagram.
  public init(
    role: PunchRole, secret: UInt64, peer: Endpoint, configuration: PunchConfiguration = PunchConfiguration(),
    now: Instant, generator: any RandomNumberGenerator & Sendable
  ) {
    var link = PunchLink(role: role, secret: secret, peer: peer, now: now, generator: generator)
    switch role {
    case .inviting: state = .running(InvitingSide(over: &link, now: now))
    case .accepting: state = .running(AcceptingSide(configuration: configuration, over: &link, now: now))
    }
    self.link = link
    start = now
    deadline = now.advanced(by: configuration.timeout)
  }

  /// What passed so far.
  public var counters: PunchCounters { link.counters }

  /// The next datagram to send, until there is none.
  public mutating func pollTransmit() -> Transmit? { link.pollTransmit() }

  /// The end, if it is reached.
  public func pollOutcome() -> Outcome? {
    switch state {
    case .running: nil
    case .ended(let outcome): outcome
    }
  }

  /// When ``handleTimeout(now:)`` has something to do; nil after the end.
  public func pollTimeout() -> Instant? {
    switch state {
    case .running(let side):
      min(side.nextRepeat ?? .distantFuture, side.expectedEnd(over: link) ?? .distantFuture, end(of: side))
    case .ended: nil
    }
  }

  /// Takes a datagram that came in from anywhere.
  public mutating func receive(_ datagram: Datagram, now: Instant) {
    guard case .running(var side) = state, let heard = link.hear(datagram, now: now) else { return }
    let conclusion = side.receive(heard, over: &link, now: now)
    proceed(side, conclusion, now: now)
  }

  /// Repeats what is due, or ends.
  public mutating func handleTimeout(now: Instant) {
    guard case .running(var side) = state else { return }
    let conclusion = side.handleTimeout(over: &link, now: now)
    proceed(side, conclusion, now: now)
    guard case .running(let side) = state, end(of: side) <= now else { return }
    fail(failureCode, now: now)
  }

  /// Takes note of a refusal to send. Refusals end the punch when nothing but them comes for 5 s.
  public mutating func handleSent(_ transmit: Transmit, failure: (any Error)?, now: Instant) {
    guard let failure else {
      hasSent = true
      failingSince = nil
      return
    }
    link.countSendFailure()
    sendError = "\(failure)"
    let since = failingSince ?? now
    failingSince = since
    guard case .running = state, since.duration(to: now) >= PunchTiming.sendFailurePatience else { return }
    fail(.cannotSend, now: now)
  }

  /// Whoever is about to succeed is not cut off: its peer may have succeeded already.
  private func end(of side: any PunchSide) -> Instant {
    side.expectedEnd(over: link).map { max($0, deadline) } ?? deadline
  }

  private mutating func proceed(_ side: any PunchSide, _ conclusion: PunchResult.Conclusion?, now: Instant) {
    guard let conclusion else {
      state = .running(side)
      return
    }
    state = .ended(
      .success(
        PunchResult(
          peer: link.peer, peerKind: link.peerKind, conclusion: conclusion, roundTrip: link.roundTrip,
          timeToFirstContact: start.duration(to: link.firstContact ?? now), duration: start.duration(to: now),
          counters: link.counters)))
  }

  private mutating func fail(_ code: PunchFailure.Code, now: Instant) {
    state = .ended(
      .failure(
        PunchFailure(
          code: code, role: link.role, peer: link.peer, duration: start.duration(to: now), counters: link.counters,
          sendError: sendError)))
  }

  /// What was seen, setting aside what chance explains.
  private var failureCode: PunchFailure.Code {
    let counters = link.counters
    let heard = counters.probesHeard + counters.answersHeard
    if failingSince != nil && !hasSent { return .cannotSend }
    if heard > 0 && heard >= link.evidence(1) { return .oneWay }
    // Four times as many as have a right sum by chance.
    if counters.validFromStrangers > counters.strangers / 64 { return .peerElsewhere }
    return counters.noise + heard > 0 ? .onlyNoise : .peerSilent
  }
}

extension Puncher: CustomStringConvertible, CustomReflectable {
  /// The role and the peer, and never the secret.
  public var description: String { "puncher, \(link.role.rawValue), to \(link.peer)" }
  /// Empty, so that a dump does not show the secret either.
  public var customMirror: Mirror { Mirror(self, children: []) }
}
