import Datagrams
import DequeModule

/// A move that was sent and not yet let go of.
struct MoveRecord {
  enum State: UInt8 { case inFlight, lost, acknowledged }

  let offset: UInt64
  let length: Int
  var state: State
  /// How often it was sent.
  var transmissions: Int
  /// The number of its last transmission among all transmissions.
  var order: UInt64
  var sentAt: Instant
  var snapshot: SendSnapshot

  var end: UInt64 { offset + UInt64(length) }
}

/// Which moves are under way, and which of them are lost: RFC 9002's packet and time thresholds, kept for each transmission as
/// RFC 8985 (RACK) does, since an echo names the move and not the transmission.
///
/// Moves are cut one after another, so the log is sorted by offset; it is walked in the order of transmission by a second
/// queue, whose stale entries fall out at its front.
struct FlightLog {
  private struct Transmission {
    let index: Int
    let order: UInt64
    let sentAt: Instant
  }

  private var records = Deque<MoveRecord>()
  /// The index of the first record, counted over the life of the connection.
  private var firstIndex = 0
  private var transmissions = Deque<Transmission>()
  /// Moves to send again, by index; may name moves that were acknowledged meanwhile.
  private var lostIndices = Deque<Int>()
  private var nextOrder: UInt64 = 1
  private var newestAcknowledged: UInt64 = 0
  /// Where the next echo is expected: they mostly come in the order of the moves.
  private var hint = 0

  /// Bytes sent, neither acknowledged nor lost.
  private(set) var bytesInFlight = 0
  /// A later transmission's echo makes one lost that is this many older (RFC 9002, section 6.1.1: 3); grows where reordering is seen.
  private(set) var packetThreshold: UInt64 = 3
  /// In eighths of a round trip (RFC 9002, section 6.1.2: 1); grows where reordering is seen.
  private(set) var timeThreshold: Nanoseconds = 1
  /// When the oldest move that a later one has overtaken counts as lost.
  private(set) var lossDeadline: Instant?
  /// Retransmissions that turned out to be needless.
  private(set) var spuriousRetransmissions: UInt64 = 0

  var isEmpty: Bool { records.isEmpty }
  /// The first byte that is not acknowledged, among those that were sent.
  var firstUnacknowledged: UInt64? { records.first?.offset }

  /// Takes note of a new move, which lies behind all others.
  mutating func sent(offset: UInt64, length: Int, snapshot: SendSnapshot, now: Instant) {
    let order = takeOrder()
    transmissions.append(Transmission(index: firstIndex + records.count, order: order, sentAt: now))
    records.append(
      MoveRecord(
        offset: offset, length: length, state: .inFlight, transmissions: 1, order: order, sentAt: now,
        snapshot: snapshot))
    bytesInFlight += length
  }

  /// Takes note of a move that was sent again.
  mutating func resent(_ index: Int, snapshot: SendSnapshot, now: Instant) {
    let order = takeOrder()
    transmissions.append(Transmission(index: index, order: order, sentAt: now))
    let position = index - firstIndex
    if records[position].state == .lost { bytesInFlight += records[position].length }
    records[position].state = .inFlight
    records[position].transmissions += 1
    records[position].order = order
    records[position].sentAt = now
    records[position].snapshot = snapshot
    if lostIndices.first == index { lostIndices.removeFirst() }
  }

  /// The next lost move to send again.
  mutating func nextLost() -> (index: Int, offset: UInt64, length: Int)? {
    while let index = lostIndices.first {
      guard isLost(index) else {
        lostIndices.removeFirst()
        continue
      }
      let record = records[index - firstIndex]
      return (index, record.offset, record.length)
    }
    return nil
  }

  /// The oldest move under way, to probe with.
  func oldest() -> (index: Int, offset: UInt64, length: Int)? {
    records.first.map { (firstIndex, $0.offset, $0.length) }
  }

  /// The last transmission of the youngest move, for the probe's timer.
  var lastSentAt: Instant? { transmissions.last?.sentAt }

  // MARK: Echoes

  enum Acknowledgement {
    /// A move under way arrived. `isLatest` is false where an earlier transmission must have been the one.
    case arrived(MoveRecord, isLatest: Bool)
    /// A move that was given up for lost arrived after all, before it was sent again.
    case notLost(MoveRecord)
    /// Nothing new: never sent, or acknowledged before.
    case nothing
  }

  /// Takes the echo of the move at `offset`. `minimumRTT` tells a late echo of an earlier transmission.
  mutating func acknowledge(_ offset: UInt64, now: Instant, minimumRTT: Nanoseconds) -> Acknowledgement {
    guard let position = position(of: offset) else { return .nothing }
    hint = firstIndex + position + 1
    let record = records[position]
    records[position].state = .acknowledged
    defer { releaseAcknowledged() }
    switch record.state {
    case .acknowledged:
      return .nothing
    case .lost:
      toleratesMoreReordering()
      return .notLost(record)
    case .inFlight:
      bytesInFlight -= record.length
      let isLatest = record.transmissions == 1 || now.since(record.sentAt) >= minimumRTT
      if isLatest {
        newestAcknowledged = max(newestAcknowledged, record.order)
      } else {
        spuriousRetransmissions += 1
        toleratesMoreReordering()
      }
      return .arrived(record, isLatest: isLatest)
    }
  }

  /// Finds the moves that later ones have overtaken by too much.
  mutating func detectLosses(now: Instant, rtt: RTTEstimator) -> [MoveRecord] {
    lossDeadline = nil
    var lost: [MoveRecord] = []
    let roundTrip = max(rtt.smoothed, rtt.latest)
    let delay = max(roundTrip + roundTrip * timeThreshold / 8, RTTEstimator.granularity)
    while let oldest = transmissions.first {
      let position = oldest.index - firstIndex
      guard position >= 0, records[position].order == oldest.order, records[position].state == .inFlight else {
        transmissions.removeFirst()
        continue
      }
      guard oldest.order < newestAcknowledged else { break }
      let deadline = oldest.sentAt.adding(delay)
      guard newestAcknowledged - oldest.order >= packetThreshold || now >= deadline else {
        lossDeadline = deadline
        break
      }
      transmissions.removeFirst()
      records[position].state = .lost
      bytesInFlight -= records[position].length
      lostIndices.append(oldest.index)
      lost.append(records[position])
    }
    return lost
  }

  /// All that is under way is lost: it went over a path that is no more.
  mutating func loseAll() {
    lostIndices.removeAll()
    for position in records.indices {
      if records[position].state == .inFlight { records[position].state = .lost }
      if records[position].state == .lost { lostIndices.append(firstIndex + position) }
    }
    transmissions.removeAll()
    bytesInFlight = 0
    lossDeadline = nil
  }

  /// The path reorders: wait longer next time, up to a whole round trip more (RFC 8985, section 6.2).
  private mutating func toleratesMoreReordering() {
    packetThreshold = min(packetThreshold * 2, 256)
    timeThreshold = min(timeThreshold + 1, 8)
  }

  private mutating func takeOrder() -> UInt64 {
    defer { nextOrder += 1 }
    return nextOrder
  }

  private func isLost(_ index: Int) -> Bool {
    let position = index - firstIndex
    return position >= 0 && position < records.count && records[position].state == .lost
  }

  private mutating func releaseAcknowledged() {
    while records.first?.state == .acknowledged {
      records.removeFirst()
      firstIndex += 1
    }
  }

  private func position(of offset: UInt64) -> Int? {
    let expected = hint - firstIndex
    if expected >= 0, expected < records.count, records[expected].offset == offset { return expected }
    var (low, high) = (0, records.count)
    while low < high {
      let middle = (low + high) / 2
      if records[middle].offset < offset { low = middle + 1 } else { high = middle }
    }
    return low < records.count && records[low].offset == offset ? low : nil
  }
}
