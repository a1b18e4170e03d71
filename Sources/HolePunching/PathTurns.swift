import DatagramSockets
import Datagrams
import Synchronization

/// Lets searches that take thousands of datagrams go one at a time, and rests after those that failed.
///
/// Two at once would be a burden for the NATs, and each would send at the full rate. A search that has no turn looks with ordinary
/// checks only, until it gets one. A later attempt to meet a peer takes the turn of an earlier one to the same peer: whoever invites again
/// has given up the last time, and left its invitation behind.
///
/// All searches for one peer together send no more than 190 datagrams in any second towards one address.
public final class PathTurns: Sendable {
  /// The rest after a first failure, doubled for each one that follows.
  static let firstRest: Duration = .seconds(15)
  /// The longest rest.
  static let longestRest: Duration = .seconds(15 * 60)
  /// How long one peer's attempts may take the turn from each other: what a search takes, and a little. After that the peer rests as after a failure,
  /// or one that invites again and again would keep out all others.
  static let longestHold: Duration = .seconds(75)
  /// Peers of which failures are remembered; the one that was to be tried again first is forgotten first.
  private static let maximumPeers = 256

  private struct Rest {
    var until: Instant
    var failures: Int
  }

  /// Who has the turn.
  struct Turn: Hashable, Sendable {
    let peer: String
    fileprivate let attempt: UInt64
    fileprivate let number: UInt64
    /// Since when this peer has it, with this attempt or an earlier one.
    fileprivate let since: Instant
  }

  private struct State {
    var holder: Turn?
    /// Of peers that are searched for, or were a second ago.
    var budgets: [String: SendBudget] = [:]
    var count: UInt64 = 0
    var rests: [String: Rest] = [:]

    /// Notes that a search was in vain.
    mutating func rest(_ peer: String, now: Instant) {
      let failures = (rests[peer]?.failures ?? 0) + 1
      if rests.count >= PathTurns.maximumPeers, rests[peer] == nil,
        let first = rests.min(by: { $0.value.until < $1.value.until })?.key
      {
        rests[first] = nil
      }
      let rest = min(PathTurns.firstRest * (1 << min(failures - 1, 8)), PathTurns.longestRest)
      rests[peer] = Rest(until: now.advanced(by: rest), failures: failures)
    }
  }

  private let state = Mutex(State())

  /// Turns that all searches share which are given them.
  public init() {}

  /// Takes the turn, if nobody has it but an earlier attempt to meet the same peer, and the peer need not rest; ``give(_:after:now:)`` must
  /// follow.
  ///
  /// - Parameter attempt: greater for a later one.
  func take(for peer: String, attempt: UInt64 = 0, now: Instant) -> Turn? {
    state.withLock { state in
      if let holder = state.holder {
        guard holder.peer == peer, holder.attempt < attempt else { return nil }
        if holder.since.duration(to: now) >= Self.longestHold {
          state.holder = nil
          state.rest(peer, now: now)
        }
      }
      guard state.rests[peer].map({ $0.until <= now }) ?? true else { return nil }
      state.count += 1
      let turn = Turn(peer: peer, attempt: attempt, number: state.count, since: state.holder?.since ?? now)
      state.holder = turn
      return turn
    }
  }

  /// What may be sent for the sake of a peer, in all the searches for it.
  func budget(for peer: String, now: Instant) -> SendBudget {
    state.withLock { state in
      if let budget = state.budgets[peer] { return budget }
      for other in Array(state.budgets.keys) where isKnownUniquelyReferenced(&state.budgets[other]) {
        if state.budgets[other]?.isIdle(now: now) == true { state.budgets[other] = nil }
      }
      let budget = SendBudget()
      state.budgets[peer] = budget
      return budget
    }
  }

  /// Whether no later attempt has taken it.
  func isHeld(_ turn: Turn) -> Bool { state.withLock { $0.holder == turn } }

  /// Gives the turn back; nothing is remembered of one that was taken by a later attempt.
  ///
  /// - Parameter outcome: what came of it; nil if it was cancelled.
  func give(_ turn: Turn, after outcome: PathFinder.Outcome?, now: Instant) {
    state.withLock { state in
      guard state.holder == turn else { return }
      state.holder = nil
      let peer = turn.peer
      switch outcome {
      case nil: break
      case .success?: state.rests[peer] = nil
      case .failure?: state.rest(peer, now: now)
      }
    }
  }
}
