import Datagrams

/// Spreads datagrams over time: a bucket that fills with the pacing rate.
///
/// A burst is at most what the rate gives in a millisecond, so that the event loop wakes up at most a thousand times a
/// second for it, and at least two datagrams; see `BBR` for how the rate comes about.
///
/// Where a busy machine wakes us up late, what was missed meanwhile may leave at once. Otherwise no more than a burst would leave for each
/// wake-up, the delivery rate would be measured as that, paced at, missed again, and so on down to two datagrams a wake-up.
struct Pacer {
  /// So much lateness is made up for. Machines that are late by more have not the time for the stream either; less, and some virtual
  /// machines that share their processors already crawl.
  private static let patience: Nanoseconds = 20 * .millisecond

  private var credit: Double = 0
  private var filledAt: Instant
  private var burst: Double

  init(now: Instant, datagramSize: Int) {
    filledAt = now
    burst = Double(10 * datagramSize)
    credit = burst
  }

  /// Fills the bucket, `rate` being in bytes a second. `isAwaited` says that only the pacer kept datagrams from leaving since the last time.
  mutating func fill(now: Instant, rate: Double, datagramSize: Int, isAwaited: Bool = false) {
    // Above 2 Gbit/s a timer that is late by a tenth of a millisecond costs 25 KB; 256 KiB are four segmented sends.
    burst = min(max(rate / 1000, Double(2 * datagramSize)), 262_144)
    let elapsed = now.since(filledAt)
    guard elapsed > 0 else { return }
    var room = burst
    if isAwaited {
      let late = min(now.since(opens(rate: rate)), Self.patience)
      if late > 0 { room = max(room, burst / 2 + rate * Double(late) / 1e9) }
    }
    // What was missed may take more than one look to leave.
    credit = max(credit, min(credit + rate * Double(elapsed) / 1e9, room))
    filledAt = now
  }

  /// There is something else that keeps datagrams from leaving: nothing is missed.
  mutating func rest() { credit = min(credit, burst) }

  /// Whether a datagram may leave. One may overdraw, so that the sizes of datagrams need not divide the burst.
  var isOpen: Bool { credit > 0 }

  /// Takes note of what left.
  mutating func spend(_ bytes: Int) { credit -= Double(bytes) }

  /// When the bucket is worth a look again: as soon as half a burst may leave.
  func opens(rate: Double) -> Instant {
    let wait = (burst / 2 - credit) / max(rate, 1) * 1e9
    return filledAt.adding(Nanoseconds(min(max(wait, 1), 1e10)))
  }
}
