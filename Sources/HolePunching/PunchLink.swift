import Datagrams

/// What both sides of a punch share: who the peer is, what was sent and heard, and what is to be sent next.
struct PunchLink: Sendable {
  /// A valid datagram of the peer, and the datagram of ours that it echoes, if any.
  struct Heard {
    let datagram: HandshakeDatagram
    let echo: SentLog.Entry?
  }

  let role: PunchRole
  let peer: Endpoint
  private let secret: UInt64
  private var generator: any RandomNumberGenerator & Sendable
  private var log: SentLog
  private var budget: ReactionBudget
  private var outbox: [Transmit] = []
  /// What the next datagram echoes.
  private var latest: HandshakeDatagram?
  private(set) var counters = PunchCounters()
  private(set) var peerKind = PunchResult.PeerKind.plain
  private(set) var roundTrip: Duration?
  private(set) var firstContact: Instant?

  init(
    role: PunchRole, secret: UInt64, peer: Endpoint, now: Instant, generator: any RandomNumberGenerator & Sendable
  ) {
    self.role = role
    self.secret = secret
    self.peer = peer
    self.generator = generator
    log = SentLog(role: role)
    budget = ReactionBudget(now: now)
  }

  mutating func send(_ flag: HandshakeDatagram.Flag, hopLimit: UInt8? = nil, now: Instant) {
    var nonce = generator.next()
    if let latest {
      let echo = role.peer.nonceBits
      nonce = nonce & ~echo | latest.bits & echo
    }
    let datagram = HandshakeDatagram(flag, nonce: nonce)
    log.append(datagram, now: now)
    counters.sent += 1
    outbox.append(Transmit(to: peer, payload: datagram.encoded(secret: secret), hopLimit: hopLimit))
  }

  /// Sends a datagram because one came in, unless too many came; false when it was not sent.
  mutating func react(with flag: HandshakeDatagram.Flag, now: Instant) -> Bool {
    guard budget.take(now: now) else { return false }
    send(flag, now: now)
    return true
  }

  mutating func pollTransmit() -> Transmit? {
    outbox.isEmpty ? nil : outbox.removeFirst()
  }

  mutating func countSendFailure() { counters.sendFailures += 1 }

  /// Reads a datagram that came in, or ignores and counts it.
  mutating func hear(_ received: Datagram, now: Instant) -> Heard? {
    let datagram = HandshakeDatagram(decoding: received.payload, secret: secret)
    guard received.source == peer else {
      counters.strangers += 1
      if datagram != nil {
        counters.validFromStrangers += 1
        counters.firstValidStranger = counters.firstValidStranger ?? received.source
      }
      return nil
    }
    guard let datagram else {
      counters.noise += 1
      return nil
    }
    guard !log.isReflection(datagram) else {
      counters.reflections += 1
      return nil
    }
    // An acceptor probes only as long as it has not heard us: what its probe seems to echo is chance, which over a path
    // that works one way only would pass for a handshake once in 17,000 punches.
    let echo = role == .inviting && datagram.flag == .probe ? nil : log.echoed(by: datagram)
    if let echo {
      peerKind = .echoing
      let time = echo.sentAt.duration(to: now)
      roundTrip = min(roundTrip ?? time, time)
    } else if peerKind == .echoing && datagram.flag == .answer {
      // Every answer of an echoing peer echoes: this one passed the sum by chance.
      counters.noise += 1
      return nil
    }
    switch datagram.flag {
    case .probe: counters.probesHeard += 1
    case .answer: counters.answersHeard += 1
    }
    firstContact = firstContact ?? now
    latest = datagram
    return Heard(datagram: datagram, echo: echo)
  }

  /// How many valid datagrams without echo it takes to believe what takes `count` where there is no noise.
  ///
  /// Of random datagrams one in 512 is valid with the right flag. Three of them from the peer's endpoint change nothing,
  /// every 16 more ask for one more: 32 times what chance gives. So an endless stream of noise passes for a
  /// handshake once in 30,000 punches.
  func evidence(_ count: Int) -> Int { count + (counters.noise + 12) / 16 }
}
