import Datagrams
import NIOCore

/// The kernel's monotonic clock, on which all drivers run.
public enum MonotonicClock {
  /// The present.
  public static var now: Instant { Instant(nanoseconds: Int64(clamping: NIODeadline.now().uptimeNanoseconds)) }

  /// Suspends until `deadline`, or throws `CancellationError` as soon as the task is cancelled.
  public static func sleep(until deadline: Instant) async throws {
    let wait = now.duration(to: deadline)
    if wait > .zero { try await Task.sleep(for: wait) } else { try Task.checkCancellation() }
  }
}

extension Instant {
  var deadline: NIODeadline { .uptimeNanoseconds(UInt64(clamping: nanoseconds)) }
}
