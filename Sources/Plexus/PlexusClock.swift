import DatagramSockets
import Datagrams

/// The time by which the facade decides: how long something took, when a peer has been silent for too long, when to try again.
///
/// Sockets, timers of streams and time limits of the rendezvous run on the kernel's monotonic clock in any case.
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
