import Glibc

/// Notices that the machine was suspended: one clock goes on then, the other does not.
struct SleepClock {
  private var offset = Self.sleptInAll()

  /// Whether the machine has slept for longer than `limit` since this was last asked.
  mutating func hasSlept(longerThan limit: Duration) -> Bool {
    let now = Self.sleptInAll()
    defer { offset = now }
    return now - offset > limit
  }

  /// The time spent asleep since the machine was started.
  private static func sleptInAll() -> Duration { time(CLOCK_BOOTTIME) - time(CLOCK_MONOTONIC) }

  private static func time(_ clock: clockid_t) -> Duration {
    var now = timespec()
    clock_gettime(clock, &now)
    return .seconds(now.tv_sec) + .nanoseconds(now.tv_nsec)
  }
}
