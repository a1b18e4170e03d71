import Datagrams

extension TubusConnection {
  /// The next datagrams to send, until there are none: false leaves `batch` empty. Call it after everything else that was called.
  public mutating func pollTransmit(into batch: inout DatagramBatch, now: Instant) -> Bool {
    batch.reset()
    pacer.fill(now: now, rate: congestion.pacingRate, datagramSize: mtu.size, isAwaited: isPacingBlocked)
    isPacingBlocked = false
    if isControlDue(now: now) { writeControl(&batch, now: now) }
    if batch.count == 0, isLinked, let size = mtu.nextProbe(now: now, answerBy: now.adding(sizeProbeTimeout)) {
      writeSizeProbe(size, &batch, now: now)
    }
    // Also where control was due and had nothing to say: the next wake-up may be seconds away.
    if batch.count == 0, isLinked { writeMoves(&batch, now: now) }
    guard batch.count > 0 else { return false }
    counters.datagramsSent += UInt64(batch.count)
    lastSent = now
    return true
  }

  /// The kernel refused a datagram of `size` bytes as too large for the way it takes.
  public mutating func handleTooLarge(_ size: Int, now: Instant) {
    if size > mtu.size { mtu.failed(size, now: now) } else { mtu.isBlackHole(now: now) }
  }

  /// When pacing lets the next datagram go, where pacing is what keeps it.
  var pacingDeadline: Instant? { isPacingBlocked ? pacer.opens(rate: congestion.pacingRate) : nil }

  private var sizeProbeTimeout: Nanoseconds { max(2 * rtt.probeTimeout, 200 * .millisecond) }

  // MARK: Control

  private func isControlDue(now: Instant) -> Bool {
    if isLinkDue || isTearDue || isTearEchoDue { return true }
    guard isLinked else { return false }
    if isLinkEchoDue || isPingDue || edgeEcho != nil || !pingEchoes.isEmpty { return true }
    return echoes.deadline.map { $0 <= now } ?? false || edgeRepeat.map { $0 <= now } ?? false
  }

  private mutating func writeControl(_ batch: inout DatagramBatch, now: Instant) {
    guard let room = batch.nextRoom(size: min(mtu.size, mtu.confirmed)) else { return }
    var writer = DatagramWriter(room, pin: pin)
    switch phase {
    case .linking:
      isLinkDue = false
      nextRepeat = now.adding(Self.repeatInterval)
      _ = writer.append(.link)
      _ = writer.append(.edge, receiveWindow.granted)
    case .tearing:
      isTearDue = false
      nextRepeat = now.adding(Self.repeatInterval)
      _ = writer.append(.tear)
      writeTearEcho(&writer)
    case .torn, .finished: writeTearEcho(&writer)
    case .linked, .flushing:
      writeState(&writer, now: now)
      writeEchoes(&writer)
      // Where moves get no answer, they may have become too large: what asks whether the peer is there goes without them.
      guard probeCount < Self.suspiciousProbes else { break }
      while let candidate = nextCandidate(now: now), append(candidate, to: &writer, now: now) {}
    }
    commit(writer, room, to: &batch)
  }

  private mutating func writeTearEcho(_ writer: inout DatagramWriter) {
    if isTearEchoDue { _ = writer.append(.tearEcho) }
    isTearEchoDue = false
  }

  /// Everything but the stream. There is always room for it: it is less than 300 bytes, and no path takes less than 548.
  private mutating func writeState(_ writer: inout DatagramWriter, now: Instant) {
    // Said again until the connector shows that it has heard it.
    if isLinkEchoDue || (role == .acceptor && !isPeerLinked) { _ = writer.append(.linkEcho) }
    isLinkEchoDue = false
    writeTearEcho(&writer)
    for number in pingEchoes { _ = writer.append(.pingEcho, number) }
    pingEchoes.removeAll(keepingCapacity: true)
    if let edge = edgeEcho { _ = writer.append(.edgeEcho, edge) }
    edgeEcho = nil
    if isPingDue || isRoundTripStale(now: now) {
      _ = writer.append(.ping, pings.next(.roundTrip, now: now))
      isPingDue = false
    }
    guard let due = edgeRepeat, now >= due else { return }
    _ = receiveWindow.grant(isIdle: true)
    guard receiveWindow.isUnechoed else { return edgeRepeat = nil }
    _ = writer.append(.edge, receiveWindow.granted)
    edgeSentAt = now
    edgeRepeat = now.adding(min(rtt.probeTimeout << min(edgeAttempts, 10), Self.maximumProbeTimeout))
    edgeAttempts += 1
  }

  /// A receiver learns the round trip by its pings only, and needs it for its window.
  private func isRoundTripStale(now: Instant) -> Bool {
    guard !echoes.isEmpty, flight.isEmpty else { return false }
    return pings.newestAt.map { now.since($0) > 500 * .millisecond } ?? true
  }

  private mutating func writeEchoes(_ writer: inout DatagramWriter) {
    guard !echoes.isEmpty else { return }
    var first: [UInt64] = []
    while writer.space >= Section.numberLength, let offset = echoes.next() {
      _ = writer.append(.moveEcho, offset)
      first.append(offset)
    }
    while writer.space >= Section.numberLength, let offset = echoes.nextRepeat() {
      _ = writer.append(.moveEcho, offset)
    }
    echoes.sent(first)
  }

  /// Lets the peer send more: at once when an eighth of the window is free, otherwise once a round trip.
  mutating func grantEdge(now: Instant) {
    if receiveWindow.grant(isIdle: false) {
      (edgeRepeat, edgeAttempts) = (now, 0)
    } else if edgeRepeat == nil {
      edgeRepeat = max(now, edgeSentAt.adding(max(rtt.smoothed, 10 * .millisecond)))
      edgeAttempts = 0
    }
  }

  private mutating func writeSizeProbe(_ size: Int, _ batch: inout DatagramBatch, now: Instant) {
    guard let room = batch.nextRoom(size: size) else { return }
    var writer = DatagramWriter(room, pin: pin)
    _ = writer.append(.ping, pings.next(.size(size), now: now))
    writer.pad(to: size)
    commit(writer, room, to: &batch)
  }

  // MARK: Moves

  /// What to send next of the stream.
  private enum Candidate {
    /// A move that was sent before, at `index` of the log.
    case old(index: Int, offset: UInt64, length: Int, isProbe: Bool)
    /// Up to so many bytes that were never sent.
    case new(available: Int)
  }

  private mutating func writeMoves(_ batch: inout DatagramBatch, now: Instant) {
    while let candidate = nextCandidate(now: now) {
      var size = mtu.size
      if case .old(_, _, let length, _) = candidate {
        let needed = DatagramHeader.length + Section.moveOverhead + length
        if needed > size {
          // Cut for a path that was wider: it can only pass in fragments, and alone.
          guard batch.count == 0 else { return }
          size = needed
          batch.mayBeFragmented = true
        }
      }
      guard let room = batch.nextRoom(size: size) else { return }
      var writer = DatagramWriter(room, pin: pin)
      guard append(candidate, to: &writer, now: now) else { return }
      if writer.space >= Section.moveOverhead {
        while let next = nextCandidate(now: now), append(next, to: &writer, now: now) {}
        writeEchoes(&writer)
      }
      commit(writer, room, to: &batch)
      if batch.mayBeFragmented { return }
    }
  }

  private mutating func nextCandidate(now: Instant) -> Candidate? {
    // Whoever forged the address of the link must not make us flood its owner.
    guard isPeerProven else { return nil }
    if probesDue > 0, flight.nextLost() == nil, let oldest = flight.oldest() {
      return .old(index: oldest.index, offset: oldest.offset, length: oldest.length, isProbe: true)
    }
    let available = min(writtenOffset, peerEdge) &- nextOffset
    let lost = flight.nextLost()
    guard lost != nil || (available > 0 && nextOffset < peerEdge) else {
      if flight.bytesInFlight < congestion.window { delivery.markAppLimited(inFlight: flight.bytesInFlight) }
      pacer.rest()
      return nil
    }
    if probesDue == 0 {
      guard flight.bytesInFlight < congestion.window else {
        congestion.onWindowLimited()
        pacer.rest()
        return nil
      }
      guard pacer.isOpen else {
        isPacingBlocked = true
        return nil
      }
    }
    if let lost { return .old(index: lost.index, offset: lost.offset, length: lost.length, isProbe: false) }
    return .new(available: Int(available))
  }

  private mutating func append(_ candidate: Candidate, to writer: inout DatagramWriter, now: Instant) -> Bool {
    let offset: UInt64
    let length: Int
    switch candidate {
    case .old(_, let oldOffset, let oldLength, _): (offset, length) = (oldOffset, oldLength)
    case .new(let available):
      offset = nextOffset
      length = min(available, writer.space - Section.moveOverhead)
      // Crumbs in what is left of a datagram cost more than they bring.
      guard length > 0, length >= min(available, 512) else { return false }
    }
    guard writer.appendMove(offset: offset, length: length, copy: { sendBuffer.copy(from: offset, into: $0) }) else {
      return false
    }
    let before = flight.bytesInFlight
    var snapshot = delivery.snapshot(now: now, inFlight: before)
    snapshot.inFlight = before + length
    switch candidate {
    case .old(let index, _, _, _):
      flight.resent(index, snapshot: snapshot, now: now)
      counters.movesResent += 1
    case .new:
      flight.sent(offset: offset, length: length, snapshot: snapshot, now: now)
      nextOffset += UInt64(length)
    }
    congestion.onSent(bytes: length, inFlight: before, now: now)
    pacer.spend(length)
    if probesDue > 0 { probesDue -= 1 }
    return true
  }

  private mutating func commit(
    _ writer: DatagramWriter, _ room: UnsafeMutableRawBufferPointer, to batch: inout DatagramBatch
  ) {
    guard !writer.isEmpty else { return }
    if let obscuring {
      obscuring.mask(UnsafeMutableRawBufferPointer(rebasing: room[..<writer.count]), salt: random.next() | 1)
    }
    batch.commit(writer.count)
  }
}
