import Datagrams

/// Finds the largest datagram that passes (RFC 8899): pings of the size to be tried, padded with what every reader skips.
///
/// Moves must be sent again as they were cut, so none is cut larger than what has been seen to pass. That is why data begins at
/// ``base`` and not at the full size: the first round trip finds out.
struct PathMTU {
  /// Every IPv6 path takes packets of 1280 bytes, of which 48 are headers; 32 are left to tunnels. RFC 9000 has the same number.
  static let base = 1200
  /// What IPv4 guarantees to be put together: 576 bytes less 28.
  static let floor = 548
  /// Nearer than this is near enough.
  private static let precision = 16
  /// A size is given up after this many probes (RFC 8899, MAX_PROBES).
  private static let attempts = 3
  /// Larger sizes are tried again now and then (RFC 8899, PMTU_RAISE_TIMER).
  private static let raiseInterval: Nanoseconds = 600 * .second

  /// What has been seen to pass, or is held to.
  private(set) var size: Int
  /// What has been seen to pass. Everything but the stream stays below, so that it gets through whatever the path takes.
  private(set) var confirmed = Self.floor
  private let maximum: Int
  /// The smallest size that did not pass, and above.
  private var tooLarge: Int
  private var probed: (size: Int, attempts: Int)?
  private var due: Instant?
  private var isStarted = false

  /// When to probe next; nil before the path is there, and where nothing is left to find out.
  var deadline: Instant? { isStarted ? due : nil }

  init(maximum: Int) {
    self.maximum = min(max(maximum, Self.floor), DatagramBatch.maximumBytes)
    size = min(Self.base, self.maximum)
    tooLarge = self.maximum + 1
  }

  /// The path is there: find out what it takes.
  mutating func start(now: Instant) {
    isStarted = true
    if size < maximum { due = now }
  }

  /// The size to probe with now. The probe counts as lost at `answerBy`, unless ``passed(_:now:)`` comes first.
  mutating func nextProbe(now: Instant, answerBy: Instant) -> Int? {
    guard let deadline, now >= deadline else { return nil }
    if let last = probed {
      guard last.attempts < Self.attempts else {
        failed(last.size, now: now)
        return nextProbe(now: now, answerBy: answerBy)
      }
      probed = (last.size, last.attempts + 1)
    } else {
      if tooLarge <= size + Self.precision {
        // Settled; the path may have grown when this comes again.
        tooLarge = maximum + 1
        due = size < maximum ? now : nil
        return size < maximum ? nextProbe(now: now, answerBy: answerBy) : nil
      }
      // The largest first: most paths take it.
      probed = (tooLarge > maximum ? maximum : (size + tooLarge) / 2, 1)
    }
    due = answerBy
    return probed?.size
  }

  /// A datagram with a move arrived, of `passed` bytes. One that was larger than what moves are cut to now may have come in fragments.
  mutating func moved(_ passed: Int) {
    if passed <= size { confirmed = max(confirmed, passed) }
  }

  /// A probe of `passed` bytes arrived.
  mutating func passed(_ passed: Int, now: Instant) {
    confirmed = max(confirmed, passed)
    size = max(size, passed)
    guard let probed, probed.size <= size else { return }
    self.probed = nil
    settleOrContinue(now: now)
  }

  /// A datagram of `size` bytes cannot pass, by the kernel's word or for want of an answer.
  mutating func failed(_ failed: Int, now: Instant) {
    guard failed > size else { return }
    tooLarge = min(tooLarge, failed)
    probed = nil
    settleOrContinue(now: now)
  }

  /// Nothing of the current size passes any more, although the peer is there.
  mutating func isBlackHole(now: Instant) {
    guard size > Self.floor else { return }
    tooLarge = size
    confirmed = Self.floor
    size = size > Self.base ? Self.base : Self.floor
    probed = nil
    due = now
  }

  private mutating func settleOrContinue(now: Instant) {
    if tooLarge > size + Self.precision, size < maximum {
      due = now
    } else {
      due = size < maximum ? now.adding(Self.raiseInterval) : nil
    }
  }
}
