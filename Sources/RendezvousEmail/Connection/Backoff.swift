/// How long to wait before a server is asked again that failed: longer each time, and never at the same moment as everybody else.
struct Backoff {
  /// A server that restarts is back within seconds.
  private static let shortest = Duration.seconds(1)
  /// Whoever was offline for a night may wait for a minute.
  private static let longest = Duration.seconds(60)
  /// Wrong passwords tried again and again lock accounts.
  private static let shortestAfterRefusal = Duration.seconds(30)
  private static let longestAfterRefusal = Duration.seconds(300)

  private var failures = 0

  /// The server works: the next failure is the first again.
  mutating func reset() { failures = 0 }

  /// The pause after a failure.
  ///
  /// - Parameter jitter: a random number from 0 to 1.
  mutating func next(after error: MailError, jitter: Double) -> Duration {
    let isRefusal = error.code.isRefusal
    let (shortest, longest) =
      isRefusal ? (Self.shortestAfterRefusal, Self.longestAfterRefusal) : (Self.shortest, Self.longest)
    let pause = min(longest, shortest * (1 << min(failures, 10)))
    failures += 1
    return pause * (0.8 + 0.4 * jitter)
  }
}
