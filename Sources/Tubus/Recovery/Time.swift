import Datagrams

/// Spans of time where `Duration`, which counts attoseconds in 128 bits, would cost more than the work that it times.
typealias Nanoseconds = Int64

extension Nanoseconds {
  static let millisecond: Nanoseconds = 1_000_000
  static let second: Nanoseconds = 1_000_000_000
}

extension Instant {
  /// The instant `span` later; the clock's end is centuries away, and is kept.
  @inline(__always)
  func adding(_ span: Nanoseconds) -> Instant {
    let (sum, overflow) = nanoseconds.addingReportingOverflow(span)
    return overflow ? .distantFuture : Instant(nanoseconds: sum)
  }

  /// Nanoseconds from `earlier` to this instant.
  @inline(__always)
  func since(_ earlier: Instant) -> Nanoseconds { nanoseconds &- earlier.nanoseconds }
}
