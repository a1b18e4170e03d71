import Datagrams
import STUN

/// Finds the best path between two peers that know each other's offers, without I/O: connectivity checks in the manner of RFC 8445.
///
/// Each of our sockets is tried with each candidate of the peer, paced, again and again; an answer proves a path, and a check from an endpoint that nobody
/// announced is a new candidate. The inviter chooses: the best path at once, any other a moment after it works. Nothing counts that does not
/// bear the peer's code. What symmetric NATs need beside that is in ``PathPlan``, the agreement in ``Agreement``.
public struct PathFinder: Sendable {
  /// The path, or why there is none.
  public typealias Outcome = Result<FoundPath, PathFailure>

  private let role: PunchRole
  private let keys: CheckKeys
  private var configuration: PathConfiguration
  private let plan: PathPlan
  private let ownTraits: NATTraits
  private let peerTraits: NATTraits
  private let start: Instant
  private let deadline: Instant
  /// From when on the acceptor's checks to public addresses go all the way, even without a sign of the peer.
  private let fullHopLimitFrom: Instant
  private var generator: any RandomNumberGenerator & Sendable
  private var bases: [CheckBase]
  /// Where the sockets begin that were opened for the plan.
  private let ownBases: Int
  private var list: CheckList
  private var sentChecks = SentChecks()
  private let budget: SendBudget
  private var reactions: ReactionBudget
  private var assistant: Assistant
  private var agreement: Agreement
  private var outbox: [SocketTransmit] = []
  private var nextSlot: Instant
  private var burst = PathTiming.burst
  private var firstContact: Instant?
  /// Where the inviter reaches us on the path that it has chosen.
  private var place: Endpoint?
  private var failingSince: Instant?
  private var hasSent = false
  private var sendError: String?
  private var outcome: Outcome?
  /// What passed so far.
  public private(set) var counters = CheckCounters()

  /// Starts to look: the first datagrams can be polled at once.
  ///
  /// - Parameters:
  ///   - role: the inviter chooses the path.
  ///   - own: what the peer was told.
  ///   - peer: what the peer told.
  ///   - bases: our sockets. The public endpoint in our offer is that of the first IPv4 one.
  ///   - generator: cryptographically secure.
  public init(
    role: PunchRole, own: PunchOffer, peer: PunchOffer, bases: [CheckBase],
    configuration: PathConfiguration = PathConfiguration(), now: Instant,
    generator: any RandomNumberGenerator & Sendable
  ) {
    self.init(
      role: role, own: own, peer: peer, bases: bases, configuration: configuration, budget: SendBudget(), now: now,
      generator: generator)
  }

  /// The same, within a budget that others share.
  init(
    role: PunchRole, own: PunchOffer, peer: PunchOffer, bases: [CheckBase], configuration: PathConfiguration,
    budget: SendBudget, now: Instant, generator: any RandomNumberGenerator & Sendable
  ) {
    (self.role, self.configuration, self.bases, self.budget, start) = (role, configuration, bases, budget, now)
    var generator = generator
    keys = CheckKeys(role: role, own: own.keyShare, peer: peer.keyShare)
    plan = PathPlan(role: role, own: own, peer: peer, seed: generator.next())
    (ownTraits, peerTraits) = (own.traits, peer.traits)
    self.generator = generator
    ownBases = bases.count
    list = CheckList(bases: bases, own: own, peer: peer, role: role, now: now)
    // Sockets that wait for the peer may be opened before it is there; to look for its ports is in vain then.
    let delay: Duration = role == .accepting && !plan.isSpraying ? .zero : PathTiming.assistanceDelay
    assistant = Assistant(
      plan, configuration: configuration, isLate: role == .accepting && configuration.isAnswerSlow,
      start: now.advanced(by: delay))
    agreement = Agreement(role: role)
    // Checks of many pairs come in one burst.
    reactions = ReactionBudget(capacity: 64, refill: .milliseconds(10), now: now)
    // The inviter begins last; the acceptor allows for the time until then.
    let remainder = PathTiming.remainderTimeout + (role == .accepting ? configuration.lowHopLimitPeriod : .zero)
    deadline = now.advanced(by: plan.isQuicklyDecided ? min(configuration.timeout, remainder) : configuration.timeout)
    nextSlot = now
    // Where a symmetric NAT hides our port, the peer waits for our datagrams, and not we for its.
    fullHopLimitFrom = now.advanced(
      by: role == .inviting || peer.traits.filtering == .endpointIndependent
        ? .zero : own.traits.isSymmetric ? configuration.lowHopLimitPeriod / 3 : configuration.lowHopLimitPeriod)
    if list.pairs.isEmpty && plan.isWithoutAssistance { fail(.noPairs, now: now) } else { handleTimeout(now: now) }
  }

  /// How many more sockets are wanted, of IPv4 and on any port.
  public var wantedSockets: Int {
    guard outcome == nil, assistant.hasStarted, assistant.next != nil, !assistant.areComplete else { return 0 }
    return max(0, assistant.sockets - (bases.count - ownBases))
  }

  /// Adds a socket that was wanted; its index is the number of those before it.
  public mutating func add(_ base: CheckBase) { bases.append(base) }

  /// Begins with what takes many datagrams, where it was left out so far (``PathConfiguration/maximumAssistance`` of 0).
  public mutating func beginAssistance(atMost maximum: Int, now: Instant) {
    guard outcome == nil, assistant.next == nil, configuration.maximumAssistance <= 0,
      !list.pairs.contains(where: \.isValid)
    else { return }
    configuration.maximumAssistance = maximum
    assistant = Assistant(
      plan, configuration: configuration, isLate: role == .accepting && configuration.isAnswerSlow, start: now)
    handleTimeout(now: now)
  }

  /// Goes on with ordinary checks only.
  public mutating func endAssistance() { assistant.stop() }

  /// The system gives no more sockets.
  public mutating func stopWantingSockets() { assistant.areComplete = true }

  /// The next datagram to send, until there is none.
  public mutating func pollTransmit() -> SocketTransmit? { outbox.isEmpty ? nil : outbox.removeFirst() }

  /// The end, if it is reached. Everything that ``pollTransmit()`` has is to be sent first.
  public func pollOutcome() -> Outcome? { outcome }

  /// When to call ``handleTimeout(now:)``; nil after the end.
  public func pollTimeout() -> Instant? {
    guard outcome == nil else { return nil }
    let check = list.nextDue(onlyTriggered: agreement.isSettled).map { max($0, nextSlot) } ?? .distantFuture
    return min(check, assistant.next ?? .distantFuture, agreement.next ?? .distantFuture, end)
  }

  /// Takes a datagram that came in on a socket, from anywhere.
  public mutating func receive(_ datagram: Datagram, on socket: Int, now: Instant) {
    guard outcome == nil, bases.indices.contains(socket) else { return }
    guard let message = CheckMessage(decoding: datagram.payload, keys: keys) else {
      counters.noise += 1
      return
    }
    counters.heard += 1
    if firstContact == nil {
      firstContact = now
      list.hurry(now: now)
      assistant.pause(until: now.advanced(by: PathTiming.assistancePause))
    }
    agreement.noteSign(now: now)
    switch message.content {
    case .request(let priority, let nomination):
      takeRequest(message.id, priority, nomination, from: datagram.source, on: socket, now: now)
    case .success(let mapped): takeAnswer(message.id, mapped, from: datagram.source, on: socket, now: now)
    case .begin(let nomination):
      switch agreement.takeBegin(nomination) {
      case .nothing: break
      case .acknowledge:
        for _ in 0..<PathTiming.acknowledgements { sendBegin(now: now) }
        succeed(.acknowledged, now: now)
      case .finish: succeed(.acknowledged, now: now)
      }
    }
    handleTimeout(now: now)
  }

  /// Sends what is due, or ends.
  public mutating func handleTimeout(now: Instant) {
    guard outcome == nil else { return }
    while burst > 0 || nextSlot <= now, let index = list.takeDue(onlyTriggered: agreement.isSettled, now: now) {
      check(index, now: now)
      if burst > 0 { burst -= 1 } else { nextSlot = max(nextSlot.advanced(by: PathTiming.pace), now) }
    }
    // What was not used of the burst is not for later.
    burst = 0
    assist(now: now)
    agree(now: now)
    if outcome == nil, end <= now { fail(failureCode, now: now) }
  }

  /// Takes note of how a datagram left. Refusals end the search when nothing but them comes for 5 s.
  public mutating func handleSent(_ transmit: SocketTransmit, failure: (any Error)?, now: Instant) {
    counters.sent += 1
    guard let failure else {
      hasSent = true
      failingSince = nil
      return
    }
    counters.sendFailures += 1
    sendError = "\(failure)"
    let since = failingSince ?? now
    failingSince = since
    // Where some addresses cannot be reached the others go on.
    guard outcome == nil, since.duration(to: now) >= PunchTiming.sendFailurePatience else { return }
    fail(.cannotSend, now: now)
  }

  /// Whoever is about to succeed is not cut off: its peer may have succeeded already. Nor is who was just heard for the first time.
  private var end: Instant {
    let contact = firstContact.map { max($0.advanced(by: PathTiming.remainderTimeout), deadline) } ?? deadline
    return agreement.expectedEnd.map { max($0, contact) } ?? contact
  }

  // MARK: What comes in

  private mutating func takeRequest(
    _ id: STUNTransactionID, _ priority: UInt32, _ nomination: CheckMessage.Nomination?, from source: Endpoint,
    on base: Int,
    now: Instant
  ) {
    guard reactions.take(now: now) else { return }
    let index = list.discover(
      base: base, remote: source, priority: priority,
      local: Candidate.priority(.peerReflexive, bases[base].local.address), role: role, now: now)
    if let nomination {
      guard agreement.takeNomination(nomination.number, base: base, remote: source, now: now) else { return }
      place = nomination.place
    }
    send(.success(mapped: source), id: id, on: base, to: source, hopLimit: nil, purpose: .agreement, now: now)
    if let index { list.trigger(index) }
  }

  private mutating func takeAnswer(
    _ id: STUNTransactionID, _ mapped: Endpoint, from source: Endpoint, on base: Int, now: Instant
  ) {
    // Only where the answer takes the way of the check backwards do datagrams pass both ways (RFC 8445 7.2.5.2.1).
    guard let entry = sentChecks.entry(id), entry.base == base, entry.destination == source else { return }
    let index = list.discover(
      base: base, remote: source, priority: Candidate.priority(.peerReflexive, source.address),
      local: Candidate.priority(.peerReflexive, bases[base].local.address), role: role, now: now)
    guard let index else { return }
    list[index].noteAnswer(roundTrip: entry.sentAt.duration(to: now), mapped: mapped)
    assistant.stop()
    if let nomination = entry.nomination, agreement.takeAnswer(nomination, now: now) { sendBegin(now: now) }
  }

  // MARK: What is due

  private mutating func assist(now: Instant) {
    while let shot = assistant.takeDue(available: bases.count - ownBases, now: now) {
      let base = shot.socket.map { ownBases + $0 } ?? searchBase
      guard let base, bases.indices.contains(base) else { continue }
      let isSent = request(
        on: base, to: shot.destination, hopLimit: shot.hopLimit, nomination: nil, purpose: .guess, now: now)
      if isSent { counters.guesses += 1 } else { assistant.postpone(shot, now: now) }
    }
  }

  /// The socket that ports of the peer are searched from: the one that the peer opens them to.
  private var searchBase: Int? {
    bases.firstIndex { $0.purpose == .quiet } ?? bases.firstIndex { $0.local.address.family == .v4 }
  }

  private mutating func agree(now: Instant) {
    if role == .inviting, let best = list.best {
      agreement.consider(
        Agreement.Path(index: best, roundTrip: list[best].roundTrip ?? .zero), mayImprove: list.mayBeat(best), now: now)
    }
    switch agreement.takeDue(now: now) {
    case .nothing: break
    case .nominate(let index, let number):
      let pair = list[index]
      request(
        on: pair.base, to: pair.remote.endpoint, hopLimit: nil, nomination: number, purpose: .agreement, now: now)
    case .giveUp(let index):
      list[index].hasFailed = true
      if list.best == nil { list.forgiveAll() }
    case .begin: sendBegin(now: now)
    case .finish(let conclusion): succeed(conclusion, now: now)
    }
  }

  private mutating func check(_ index: Int, now: Instant) {
    let pair = list[index]
    // Before the peer was heard, a datagram may come to its NAT too early, and some NATs drop a mapping for that.
    let isEarly = firstContact == nil && pair.remote.kind != .host
    let isLow = isEarly && role == .accepting && (now < fullHopLimitFrom || pair.sent.isMultiple(of: 2))
    request(
      on: pair.base, to: pair.remote.endpoint, hopLimit: isLow ? configuration.lowHopLimit : nil, nomination: nil,
      purpose: .check, now: now)
    list[index].noteSent(now: now)
  }

  @discardableResult
  private mutating func request(
    on base: Int, to destination: Endpoint, hopLimit: UInt8?, nomination: UInt32?, purpose: SendBudget.Purpose,
    now: Instant
  ) -> Bool {
    let id = STUNTransactionID(using: &generator)
    let priority = Candidate.priority(.peerReflexive, bases[base].local.address)
    let isSent = send(
      .request(
        priority: priority,
        nomination: nomination.map { CheckMessage.Nomination(number: $0, place: destination) }), id: id, on: base,
      to: destination, hopLimit: hopLimit,
      purpose: purpose, now: now)
    guard isSent else { return false }
    sentChecks.add(id, SentChecks.Entry(base: base, destination: destination, sentAt: now, nomination: nomination))
    return true
  }

  private mutating func sendBegin(now: Instant) {
    guard let number = agreement.number, let path = agreedPath else { return }
    send(
      .begin(nomination: number), id: STUNTransactionID(using: &generator), on: path.base, to: path.remote,
      hopLimit: nil, purpose: .agreement, now: now)
  }

  @discardableResult
  private mutating func send(
    _ content: CheckMessage.Content, id: STUNTransactionID, on base: Int, to destination: Endpoint, hopLimit: UInt8?,
    purpose: SendBudget.Purpose, now: Instant
  ) -> Bool {
    guard let count = budget.take(destination.address, for: purpose, now: now) else { return false }
    counters.peakPerSecond = max(counters.peakPerSecond, count)
    let payload = CheckMessage(content, id: id).encoded(keys: keys)
    outbox.append(
      SocketTransmit(socket: base, transmit: Transmit(to: destination, payload: payload, hopLimit: hopLimit)))
    return true
  }

  // MARK: The end

  private var agreedPath: CheckPair.Key? {
    switch agreement.agreed {
    case .own(let index): list[index].key
    case .peers(let key): key
    case nil: nil
    }
  }

  private mutating func succeed(_ conclusion: FoundPath.Conclusion, now: Instant) {
    guard let path = agreedPath else { return }
    let pair = list.index(base: path.base, remote: path.remote).map { list[$0] }
    outcome = .success(
      FoundPath(
        socket: path.base, peer: path.remote, kind: pair?.remote.kind ?? .peerReflexive, mapped: place ?? pair?.mapped,
        conclusion: conclusion, roundTrip: pair?.roundTrip, timeToFirstContact: start.duration(to: firstContact ?? now),
        duration: start.duration(to: now), counters: counters))
  }

  private mutating func fail(_ code: PathFailure.Code, now: Instant) {
    outcome = .failure(
      PathFailure(
        code: code, duration: start.duration(to: now), pairs: list.pairs.count, counters: counters,
        sendError: sendError, ownTraits: ownTraits, peerTraits: peerTraits))
  }

  private var failureCode: PathFailure.Code {
    if failingSince != nil && !hasSent { return .cannotSend }
    if list.pairs.contains(where: \.isValid) { return .pathLost }
    if firstContact != nil { return .oneWay }
    if plan.isBehindOneNAT && plan.isQuicklyDecided { return .sameNAT }
    if plan.isHopeless { return .bothSymmetric }
    if plan.isWithoutAssistance { return .peerSilent }
    return configuration.maximumAssistance > 0 ? .portNotFound : .notInTurn
  }
}

extension PathFinder: CustomStringConvertible, CustomReflectable {
  /// The role, and never a key.
  public var description: String { "path finder, \(role.rawValue), \(list.pairs.count) pairs" }
  /// Empty, so that a dump does not show the keys either.
  public var customMirror: Mirror { Mirror(self, children: []) }
}
