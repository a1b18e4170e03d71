import Datagrams
import Testing

@testable import HolePunching

@Suite struct PathTurnsTests {
  private let failure = PathFinder.Outcome.failure(
    PathFailure(
      code: .portNotFound, duration: .zero, pairs: 1, counters: CheckCounters(), ownTraits: NATTraits(),
      peerTraits: NATTraits()))

  @Test func oneHasTheTurnAtATime() {
    let turns = PathTurns()
    #expect(turns.take(for: "a", now: .zero))
    #expect(!turns.take(for: "b", now: .zero))
    turns.give(after: nil, for: "a", now: .zero)
    #expect(turns.take(for: "b", now: .zero))
  }

  @Test func failuresAreFollowedByLongerAndLongerRests() {
    let turns = PathTurns()
    var now = Instant.zero
    for failures in 0..<12 {
      #expect(turns.take(for: "a", now: now))
      turns.give(after: failure, for: "a", now: now)
      let rest = min(PathTurns.firstRest * (1 << min(failures, 8)), PathTurns.longestRest)
      #expect(!turns.take(for: "a", now: now.advanced(by: rest - .milliseconds(1))))
      // Others need not rest.
      #expect(turns.take(for: "b", now: now))
      turns.give(after: nil, for: "b", now: now)
      now = now.advanced(by: rest)
    }
  }
}
