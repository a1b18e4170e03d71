import DatagramSockets
import Datagrams
import Synchronization

/// Lets searches that take thousands of datagrams go one at a time, and rests after those that failed.
///
/// Two at once would be a burden for the NATs, and each would send at the full rate. A search that has no turn looks with ordinary
/// checks only.
public final class PathTurns: Sendable {
  /// The rest after a first failure, doubled for each one that follows.
  static let firstRest: Duration = .seconds(15)
  /// The longest rest.
  static let longestRest: Duration = .seconds(15 * 60)
  /// Peers of which failures are remembered; the one that was to be tried again first is forgotten first.
  private static let maximumPeers = 256

  private struct Rest {
    var until: Instant
    var failures: Int
  }

  private struct State {
    var isTaken = false
    var rests: [String: Rest] = [:]
  }

  private let state = Mutex(State())

  /// Turns that all searches share which are given them.
  public init() {}

  /// Takes the turn, if nobody has it and the peer need not rest; ``give(after:for:now:)`` must follow.
  func take(for peer: String, now: Instant) -> Bool {
    state.withLock { state in
      guard !state.isTaken, state.rests[peer].map({ $0.until <= now }) ?? true else { return false }
      state.isTaken = true
      return true
    }
  }

  /// Gives the turn back.
  ///
  /// - Parameter outcome: what came of it; nil if it was cancelled.
  func give(after outcome: PathFinder.Outcome?, for peer: String, now: Instant) {
    state.withLock { state in
      state.isTaken = false
      switch outcome {
      case nil: break
      case .success?: state.rests[peer] = nil
      case .failure?:
        let failures = (state.rests[peer]?.failures ?? 0) + 1
        if state.rests.count >= Self.maximumPeers, state.rests[peer] == nil,
          let first = state.rests.min(by: { $0.value.until < $1.value.until })?.key
        {
          state.rests[first] = nil
        }
        let rest = min(Self.firstRest * (1 << min(failures - 1, 8)), Self.longestRest)
        state.rests[peer] = Rest(until: now.advanced(by: rest), failures: failures)
      }
    }
  }
}
