import Datagrams

extension TubusConnection {
  /// How often a link or a tear is repeated: the reference's 100 ms.
  static let repeatInterval: Nanoseconds = 100 * .millisecond
  /// The reference drops what its application has not read when it is told to shut down, so the shutdown waits until the edge shows
  /// that everything was read; this long at most, since nobody has to raise the edge.
  static let linger: Nanoseconds = 200 * .millisecond
  /// The back-off of probes ends here: a path that comes back is found soon.
  static let maximumProbeTimeout: Nanoseconds = 2 * .second
  /// So many probes without an echo are no accident (RFC 9002, section 7.6 takes three, too).
  static let suspiciousProbes = 3

  /// When to call ``handleTimeout(now:)``, or to poll for datagrams again, at the latest.
  public func pollTimeout() -> Instant? {
    guard phase != .finished else { return nil }
    var soonest = lastHeard.advanced(by: configuration.silenceTimeout)
    func consider(_ instant: Instant?) { if let instant, instant < soonest { soonest = instant } }
    switch phase {
    case .linking(let until), .torn(let until): soonest = until
    case .tearing(let until, _): soonest = until
    case .flushing(let lingerUntil): consider(lingerUntil)
    case .linked, .finished: break
    }
    consider(nextRepeat)
    guard isLinked else { return soonest }
    if !isPeerProven { consider(provenBy) }
    consider(echoes.deadline)
    consider(edgeRepeat)
    consider(nextPing)
    consider(mtu.deadline)
    consider(flight.lossDeadline)
    consider(probeDeadline)
    consider(pacingDeadline)
    return soonest
  }

  /// Does what is due; nothing when it is early. Poll for datagrams and events afterwards.
  public mutating func handleTimeout(now: Instant) {
    switch phase {
    case .linking(let until) where now >= until: return finish(.notLinked)
    case .tearing(let until, let ending) where now >= until: return finish(ending)
    case .torn(let until) where now >= until: return phase = .finished
    case .finished: return
    case .linking, .linked, .flushing, .tearing, .torn: break
    }
    if let due = nextRepeat, now >= due {
      if phase.isLinking { isLinkDue = role == .connector } else { isTearDue = true }
      nextRepeat = nil
    }
    guard isLinked else { return }
    if now >= lastHeard.advanced(by: configuration.silenceTimeout) { return finish(.silent) }
    if !isPeerProven, now >= provenBy { return finish(.notLinked) }
    if let due = nextPing, now >= due { isPingDue = true }
    if let due = flight.lossDeadline, now >= due { detectLosses(now: now) }
    if let due = probeDeadline, now >= due { probe(now: now) }
    closeIfFlushed(now: now)
  }

  // MARK: Probes

  /// When the silence about what is in flight is to be broken (RFC 9002, section 6.2): nothing is known to be lost, and nothing
  /// comes.
  var probeDeadline: Instant? {
    guard flight.bytesInFlight > 0, flight.lossDeadline == nil, probesDue == 0, let last = flight.lastSentAt else {
      return nil
    }
    let timeout = rtt.probeTimeout << min(probeCount, 10)
    return last.adding(min(timeout, max(Self.maximumProbeTimeout, 2 * rtt.smoothed)))
  }

  private mutating func probe(now: Instant) {
    probeCount += 1
    probesDue = min(probeCount, 2)
    guard probeCount >= Self.suspiciousProbes else { return }
    if probeCount == Self.suspiciousProbes { congestion.onPersistentCongestion() }
    isPingDue = true
    // The peer answers pings, but no move: those may be too large by now.
    if let last = flight.lastSentAt, lastHeard > last.adding(-rtt.probeTimeout) { mtu.isBlackHole(now: now) }
  }

  /// Datagrams go out on a schedule for keeping NATs' mappings, and for measuring where only the peer sends.
  var nextPing: Instant? {
    guard !isPingDue else { return nil }
    let keepalive = lastSent.advanced(by: configuration.keepaliveInterval)
    guard let asked = pings.newestSentAt else { return keepalive }
    // An unanswered ping is repeated soon: on a bad path two in a row get lost.
    return min(keepalive, asked.adding(max(2 * .second, 3 * rtt.smoothed)))
  }

  // MARK: The end

  mutating func closeIfFlushed(now: Instant) {
    guard case .flushing(let lingerUntil) = phase else { return }
    guard flight.isEmpty, unsentBytes == 0 else { return }
    let isRead = nextOffset == 0 || peerEdge - firstPeerEdge >= nextOffset
    guard !isRead else { return tear(.closed, now: now) }
    guard let lingerUntil else {
      phase = .flushing(lingerUntil: now.adding(Self.linger))
      return
    }
    if now >= lingerUntil { tear(.closed, now: now) }
  }

  mutating func tear(_ ending: TubusEnding, now: Instant) {
    phase = .tearing(until: now.advanced(by: configuration.tearTimeout), ending)
    isTearDue = true
    forgetStream()
  }

  mutating func peerTore(now: Instant) {
    isTearEchoDue = true
    switch phase {
    case .linked, .flushing:
      // It may not hear the echo, and ask again: so stay for as long as it asks.
      phase = .torn(until: now.advanced(by: configuration.tearTimeout))
      forgetStream()
      events.append(.closed(.closedByPeer))
    case .tearing(_, let ending): finish(ending)
    case .linking, .torn, .finished: break
    }
  }

  mutating func finish(_ ending: TubusEnding) {
    // Whoever was torn has said so already.
    if case .torn = phase {} else { events.append(.closed(ending)) }
    phase = .finished
    forgetStream()
  }

  /// What was received stays to be read.
  private mutating func forgetStream() {
    // Whoever asks later is told how far it got.
    endOffsets = endOffsets ?? (sentOffset, acknowledgedOffset)
    sendBuffer.clear()
    flight = FlightLog()
    nextOffset = sendBuffer.end
    echoes = EchoQueue()
    (nextRepeat, edgeRepeat, isPingDue) = (nil, nil, false)
  }
}
