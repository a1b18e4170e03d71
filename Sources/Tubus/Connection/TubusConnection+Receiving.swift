import Datagrams
import NIOCore

extension TubusConnection {
  /// What became of a datagram.
  public enum Reception: Hashable, Sendable {
    /// It is the peer's.
    case taken
    /// It is nothing of this connection. A link under another pin may come of a peer that has begun anew.
    case ignored
  }

  /// Takes a datagram from the peer's address.
  public mutating func receive(_ datagram: UnsafeRawBufferPointer, now: Instant) -> Reception {
    guard let obscuring else { return receivePlain(datagram, now: now) }
    return withUnsafeTemporaryAllocation(byteCount: datagram.count, alignment: 8) { plain in
      obscuring.unmask(datagram, into: plain)
      return receivePlain(UnsafeRawBufferPointer(plain), now: now)
    }
  }

  private mutating func receivePlain(_ datagram: UnsafeRawBufferPointer, now: Instant) -> Reception {
    guard let header = DatagramHeader(datagram) else { return .ignored }
    if phase.isLinking {
      guard link(header, datagram, now: now) else { return .ignored }
    } else if header.pin != peerPin {
      return .ignored
    }
    guard phase != .finished else { return .ignored }
    lastHeard = now
    counters.datagramsReceived += 1
    let priorInFlight = flight.bytesInFlight
    var echoed = EchoedMoves()
    var sections = SectionReader(datagram)
    while let section = sections.next() { take(section, of: datagram, echoed: &echoed, now: now) }
    if echoed.count > 0 { acknowledge(echoed, priorInFlight: priorInFlight, now: now) }
    closeIfFlushed(now: now)
    return .taken
  }

  /// Whether the datagram is the acceptor's first link, or the connector's link echo.
  private mutating func link(_ header: DatagramHeader, _ datagram: UnsafeRawBufferPointer, now: Instant) -> Bool {
    guard Self.holds(role == .connector ? .linkEcho : .link, datagram) else { return false }
    peerPin = header.pin
    phase = .linked
    isLinkDue = false
    nextRepeat = nil
    // So that the round trip is known and the peer's address proved; the reference's connector does so as well.
    isPingDue = true
    if role == .connector {
      // Nobody forges the echo of a link that only the peer saw, but by seeing it.
      isPeerProven = true
      mtu.start(now: now)
      events.append(.linked)
    }
    return true
  }

  /// Whether a datagram in the clear has such a section.
  static func holds(_ wanted: Section, _ datagram: UnsafeRawBufferPointer) -> Bool {
    var sections = SectionReader(datagram)
    while let section = sections.next() { if section == wanted { return true } }
    return false
  }

  private mutating func take(
    _ section: Section, of datagram: UnsafeRawBufferPointer, echoed: inout EchoedMoves, now: Instant
  ) {
    switch section {
    case .link:
      isLinkEchoDue = true
      // The peer did not hear our echo, so it did not hear our edge, which proves its address.
      if !isPeerProven { edgeRepeat = now }
    case .linkEcho, .other: break
    case .tear: peerTore(now: now)
    case .tearEcho: if case .tearing(_, let ending) = phase { finish(ending) }
    case .ping(let number): if pingEchoes.count < 16 { pingEchoes.append(number) }
    case .pingEcho(let number): takePingEcho(number, now: now)
    case .edge(let edge):
      if firstPeerEdge == 0 { firstPeerEdge = edge }
      peerEdge = max(peerEdge, edge)
      edgeEcho = edge
    case .edgeEcho(let edge): takeEdgeEcho(edge, now: now)
    case .move(let offset, let data):
      takeMove(at: offset, UnsafeRawBufferPointer(rebasing: datagram[data]), now: now)
    case .moveEcho(let offset): takeMoveEcho(offset, &echoed, now: now)
    }
    if section != .link { isPeerLinked = true }
  }

  private mutating func takePingEcho(_ number: UInt64, now: Instant) {
    guard let ping = pings.answer(number) else { return }
    pings.forget(before: ping.sentAt)
    // The padding of a probe takes time of its own on a slow path.
    if ping.purpose == .roundTrip || !rtt.isKnown { rtt.add(now.since(ping.sentAt)) }
    if case .size(let size) = ping.purpose { mtu.passed(size, now: now) }
    prove(now: now)
  }

  private mutating func takeEdgeEcho(_ edge: UInt64, now: Instant) {
    // Sixteen random bits take a few datagrams to try them all: after a wrong guess only the echo of a ping proves anything.
    if edge != receiveWindow.granted { isEdgeProof = false }
    receiveWindow.echo(edge)
    guard receiveWindow.echoed == receiveWindow.granted else { return }
    (edgeRepeat, edgeAttempts) = (nil, 0)
    if isEdgeProof { prove(now: now) }
  }

  private mutating func prove(now: Instant) {
    guard !isPeerProven, isLinked else { return }
    isPeerProven = true
    mtu.start(now: now)
    events.append(.linked)
  }

  private mutating func takeMove(at offset: UInt64, _ data: UnsafeRawBufferPointer, now: Instant) {
    let (end, overflow) = offset.addingReportingOverflow(UInt64(data.count))
    guard isLinked, !overflow, end <= receiveWindow.granted, !echoes.isFull,
      data.count <= receiveAllowance - bufferedBytes || end <= receiveBuffer.frontier
    else {
      counters.movesRefused += 1
      return
    }
    let hadGap = receiveBuffer.hasGap
    switch receiveBuffer.insert(data, at: offset) {
    case .stored:
      echoes.add(
        offset, now: now, roundTrip: rtt.smoothed, isUrgent: receiveBuffer.hasGap != hadGap)
    case .duplicate: echoes.add(offset, now: now, roundTrip: rtt.smoothed, isUrgent: true)
    case .refused: counters.movesRefused += 1
    }
  }

  // MARK: Echoes of our moves

  /// What the echoes of one datagram say together.
  struct EchoedMoves {
    var count = 0
    var bytes = 0
    var newestOrder: UInt64 = 0
    var newestSentAt: Instant?
  }

  private mutating func takeMoveEcho(_ offset: UInt64, _ echoed: inout EchoedMoves, now: Instant) {
    let record: MoveRecord
    switch flight.acknowledge(offset, now: now, minimumRTT: rtt.minimum) {
    case .nothing: return
    case .notLost(let lost):
      record = lost
      counters.movesLostInError += 1
    case .arrived(let arrived, let isLatest):
      record = arrived
      // Karn's rule: the echo of a move that was sent twice says nothing of the round trip.
      if isLatest, arrived.transmissions == 1, arrived.order > echoed.newestOrder {
        (echoed.newestOrder, echoed.newestSentAt) = (arrived.order, arrived.sentAt)
      }
      if !isLatest { counters.movesLostInError += 1 }
    }
    echoed.count += 1
    echoed.bytes += record.length
    delivery.acknowledge(
      record.length, snapshot: record.snapshot, sentAt: record.sentAt, order: record.order, now: now)
    mtu.moved(record.length + Section.moveOverhead + DatagramHeader.length)
  }

  private mutating func acknowledge(_ echoed: EchoedMoves, priorInFlight: Int, now: Instant) {
    let roundTrip = echoed.newestSentAt.map { now.since($0) }
    if let roundTrip { rtt.add(roundTrip) }
    probeCount = 0
    probesDue = 0
    sendBuffer.release(upTo: acknowledgedOffset)
    detectLosses(now: now)
    guard let sample = delivery.takeSample(minimumRTT: rtt.minimum) else { return }
    congestion.onAck(
      AckEvent(
        now: now, acknowledged: echoed.bytes, priorInFlight: priorInFlight, inFlight: flight.bytesInFlight,
        roundTrip: roundTrip, smoothedRoundTrip: rtt.smoothed, delivered: delivery.delivered, sample: sample))
  }

  mutating func detectLosses(now: Instant) {
    for record in flight.detectLosses(now: now, rtt: rtt) {
      counters.movesLost += 1
      delivery.lose(record.length)
      congestion.onLoss(
        LossEvent(
          now: now, bytes: record.length, inFlightAtSend: record.snapshot.inFlight,
          lostSinceSent: delivery.lost - record.snapshot.lost, deliveredAtSend: record.snapshot.delivered,
          delivered: delivery.delivered, isAppLimited: record.snapshot.isAppLimited))
    }
  }
}
