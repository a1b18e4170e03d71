import DatagramSockets
import Datagrams

/// The time by which the facade decides: how long something took, when a peer has been silent for too long, when to try again.
///
/// It governs how long joining and passages are said to have taken, for how long the addresses of STUN servers are taken for known, when a stream's path is suspect and
/// how soon another is tried for, and the pauses between attempts to join. Sockets, timers of streams, explorations, the time limits of the rendezvous, and the looks at the
/// own network four times a second run on the kernel's monotonic clock in any case; certificates and failures bear the wall clock's time.
public struct PlexusClock: Sendable {
  /// The present. Never goes back.
  public var now: @Sendable () -> Instant
  /// Suspends for a time, or throws `CancellationError` as soon as the task is cancelled.
  public var sleep: @Sendable (Duration) async throws -> Void

  /// A clock of one's own, such as one that tests move by hand.
  public init(
    now: @escaping @Sendable () -> Instant, sleep: @escaping @Sendable (Duration) async throws -> Void
  ) {
    (self.now, self.sleep) = (now, sleep)
  }

  /// The kernel's monotonic clock.
  public static let system = PlexusClock(now: { MonotonicClock.now }, sleep: { try await Task.sleep(for: $0) })

  /// The time since an instant.
  func since(_ start: Instant) -> Duration { start.duration(to: now()) }
}
