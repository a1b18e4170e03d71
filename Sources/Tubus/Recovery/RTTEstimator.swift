import Datagrams

/// The round trip time as RFC 9002, section 5, and RFC 6298 estimate it.
struct RTTEstimator {
  /// Before the first sample (RFC 9002, section 6.2.2 has 333 ms; the reference resends after 100 ms until it knows).
  static let initial: Nanoseconds = 100 * .millisecond
  /// The kernel's timers and the event loop are no finer than this on a busy machine (RFC 9002's kGranularity).
  static let granularity: Nanoseconds = .millisecond

  /// The newest sample.
  private(set) var latest: Nanoseconds = Self.initial
  /// The smoothed round trip.
  private(set) var smoothed: Nanoseconds = Self.initial
  /// The mean deviation.
  private(set) var variation: Nanoseconds = Self.initial / 2
  /// The smallest sample so far, 0 before the first.
  private(set) var minimum: Nanoseconds = 0
  /// Whether there was a sample.
  private(set) var isKnown = false

  /// Takes a sample.
  mutating func add(_ sample: Nanoseconds) {
    let sample = max(sample, 1)
    latest = sample
    guard isKnown else {
      (smoothed, variation, minimum, isKnown) = (sample, sample / 2, sample, true)
      return
    }
    minimum = min(minimum, sample)
    variation = (3 * variation + abs(smoothed - sample)) / 4
    smoothed = (7 * smoothed + sample) / 8
  }

  /// How long to wait for an echo before probing, without back-off (RFC 9002, section 6.2.1).
  var probeTimeout: Nanoseconds { smoothed + max(4 * variation, Self.granularity) + Self.maximumEchoDelay }

  /// How long our receivers keep an echo back at most, see `EchoQueue`.
  static let maximumEchoDelay: Nanoseconds = .millisecond
}
