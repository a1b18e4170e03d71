/// A point on a monotonic clock, in nanoseconds since an origin that only its clock knows.
///
/// Cores get instants as arguments and never read a clock, so that tests run hours of protocol time in milliseconds.
/// Drivers read the kernel's monotonic clock (`MonotonicClock`), tests count from `Instant.zero`.
public struct Instant: InstantProtocol, Hashable, Sendable {
  /// Nanoseconds since the clock's origin.
  public var nanoseconds: Int64

  /// The instant `nanoseconds` after the clock's origin.
  public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  /// The clock's origin, where virtual time starts.
  public static let zero = Instant(nanoseconds: 0)

  /// Later than anything that will happen.
  public static let distantFuture = Instant(nanoseconds: .max)

  /// The instant `duration` later, clamped to what the clock can say.
  public func advanced(by duration: Duration) -> Instant {
    let (sum, overflow) = nanoseconds.addingReportingOverflow(duration.nanoseconds)
    return Instant(nanoseconds: overflow ? (duration < .zero ? .min : .max) : sum)
  }

  /// How long it is from this instant to `other`, negative when that was earlier.
  public func duration(to other: Instant) -> Duration {
    let (difference, overflow) = other.nanoseconds.subtractingReportingOverflow(nanoseconds)
    return .nanoseconds(overflow ? (other < self ? .min : .max) : difference)
  }

  /// Whether `left` comes first.
  public static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }
}

extension Duration {
  /// Whole nanoseconds, clamped to what 64 bits hold (292 years).
  public var nanoseconds: Int64 {
    let (seconds, attoseconds) = components
    let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    guard !overflow else { return seconds < 0 ? .min : .max }
    let (sum, sumOverflow) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000)
    return sumOverflow ? (seconds < 0 ? .min : .max) : sum
  }

  /// The duration in milliseconds, for people to read.
  public var milliseconds: Double { Double(nanoseconds) / 1_000_000 }
}
