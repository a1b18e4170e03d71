import Datagrams

/// When to repeat a datagram: gaps that double up to a longest one, and perhaps an end.
struct RepeatSchedule {
  /// When the next repeat is due; nil after the last.
  private(set) var next: Instant?
  private var gap: Duration
  private let longestGap: Duration
  private var remaining: Int?

  /// A schedule for a datagram that was sent `now`, with `repeats` to follow, or no end of them.
  init(startingAt now: Instant, longestGap: Duration = PunchTiming.longestGap, repeats: Int? = nil) {
    self.longestGap = longestGap
    gap = PunchTiming.firstGap
    remaining = repeats
    next = repeats == 0 ? nil : now.advanced(by: gap)
  }

  /// Whether a repeat is due; if so the next one is planned.
  mutating func takeDue(now: Instant) -> Bool {
    guard let due = next, due <= now else { return false }
    if let remaining { self.remaining = remaining - 1 }
    gap = min(gap * 2, longestGap)
    next = remaining == 0 ? nil : now.advanced(by: gap)
    return true
  }
}

/// A token bucket for what is sent only because something came in, so that a flood is not answered by a flood.
struct ReactionBudget {
  private let capacity: Int
  private let refill: Duration
  private var tokens: Int
  private var refilledAt: Instant

  /// - Parameters:
  ///   - capacity: by default a burst of repeats of which none was lost.
  ///   - refill: by default what no peer exceeds for long.
  init(capacity: Int = 16, refill: Duration = .milliseconds(20), now: Instant) {
    (self.capacity, self.refill, tokens, refilledAt) = (capacity, refill, capacity, now)
  }

  mutating func take(now: Instant) -> Bool {
    let earned = refilledAt.duration(to: now).nanoseconds / refill.nanoseconds
    if earned > 0 {
      tokens = Int(min(Int64(tokens) + min(earned, Int64(capacity)), Int64(capacity)))
      refilledAt = now
    }
    guard tokens > 0 else { return false }
    tokens -= 1
    return true
  }
}
