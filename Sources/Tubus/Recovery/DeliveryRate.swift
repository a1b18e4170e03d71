import Datagrams

/// What is remembered of the state of delivery when a move leaves.
struct SendSnapshot {
  var delivered: UInt64 = 0
  var deliveredAt: Instant = .zero
  var firstSentAt: Instant = .zero
  var lost: UInt64 = 0
  var inFlight: Int = 0
  var isAppLimited = false
}

/// What the newest of the moves that an echo datagram acknowledges says of the path.
struct RateSample {
  /// Bytes a second; 0 where the interval was too short to tell.
  var rate: Double = 0
  /// Bytes delivered during the interval.
  var delivered: UInt64 = 0
  /// The count of delivered bytes when the move left.
  var priorDelivered: UInt64 = 0
  /// Bytes in flight when the move left, itself included.
  var inFlightAtSend: Int = 0
  /// Bytes lost since the move left.
  var lost: UInt64 = 0
  /// Whether the sender had too little to send to fill the path.
  var isAppLimited = false
}

/// Estimates the delivery rate as draft-cheng-iccrg-delivery-rate-estimation does: bytes delivered over the longer of the
/// times that it took to send and to acknowledge them.
struct DeliveryRate {
  private(set) var delivered: UInt64 = 0
  private(set) var lost: UInt64 = 0
  private var deliveredAt: Instant
  private var firstSentAt: Instant
  /// The count of delivered bytes with which the last app-limited flight ends; 0 while there is none.
  private var appLimitedUntil: UInt64 = 0

  private var newest: (order: UInt64, snapshot: SendSnapshot, sentAt: Instant)?

  init(now: Instant) { (deliveredAt, firstSentAt) = (now, now) }

  var isAppLimited: Bool { appLimitedUntil > 0 }

  /// What to remember with a move that leaves now.
  mutating func snapshot(now: Instant, inFlight: Int) -> SendSnapshot {
    if inFlight == 0 { (firstSentAt, deliveredAt) = (now, now) }
    return SendSnapshot(
      delivered: delivered, deliveredAt: deliveredAt, firstSentAt: firstSentAt, lost: lost, inFlight: inFlight,
      isAppLimited: isAppLimited)
  }

  /// There is nothing to send although the path would take it.
  mutating func markAppLimited(inFlight: Int) { appLimitedUntil = max(delivered + UInt64(inFlight), 1) }

  /// A move arrived; `sentAt` and `order` are those of its last transmission.
  mutating func acknowledge(_ bytes: Int, snapshot: SendSnapshot, sentAt: Instant, order: UInt64, now: Instant) {
    delivered += UInt64(bytes)
    deliveredAt = now
    if newest.map({ order > $0.order }) ?? true { newest = (order, snapshot, sentAt) }
  }

  mutating func lose(_ bytes: Int) { lost += UInt64(bytes) }

  /// The sample of all that was acknowledged since the last call; nil where nothing was.
  mutating func takeSample(minimumRTT: Nanoseconds) -> RateSample? {
    if appLimitedUntil > 0, delivered > appLimitedUntil { appLimitedUntil = 0 }
    guard let newest else { return nil }
    self.newest = nil
    let snapshot = newest.snapshot
    let sendElapsed = newest.sentAt.since(snapshot.firstSentAt)
    let ackElapsed = deliveredAt.since(snapshot.deliveredAt)
    firstSentAt = newest.sentAt
    let interval = max(sendElapsed, ackElapsed)
    var sample = RateSample(
      rate: 0, delivered: delivered - snapshot.delivered, priorDelivered: snapshot.delivered,
      inFlightAtSend: snapshot.inFlight, lost: lost - snapshot.lost, isAppLimited: snapshot.isAppLimited)
    // An interval below the shortest round trip is an artefact of echoes that were bunched.
    if interval > 0, interval >= minimumRTT { sample.rate = Double(sample.delivered) / Double(interval) * 1e9 }
    return sample
  }
}
