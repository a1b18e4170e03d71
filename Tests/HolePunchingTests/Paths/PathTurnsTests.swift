import Datagrams
import Testing

@testable import HolePunching

@Suite struct PathTurnsTests {
  private let failure = PathFinder.Outcome.failure(
    PathFailure(
      code: .portNotFound, duration: .zero, pairs: 1, counters: CheckCounters(), ownTraits: NATTraits(),
      peerTraits: NATTraits()))

  @Test func oneHasTheTurnAtATime() throws {
    let turns = PathTurns()
    let turn = try #require(turns.take(for: "a", now: .zero))
    #expect(turns.take(for: "b", now: .zero) == nil && turns.take(for: "a", now: .zero) == nil)
    turns.give(turn, after: nil, now: .zero)
    #expect(turns.take(for: "b", now: .zero) != nil)
  }

  /// Whoever invites again has given up the last time, in whatever order the two arrive.
  @Test func aLaterAttemptToMeetAPeerTakesTheTurnOfAnEarlierOne() throws {
    let turns = PathTurns()
    let earlier = try #require(turns.take(for: "a", attempt: 5, now: .zero))
    #expect(turns.take(for: "b", attempt: 9, now: .zero) == nil)
    let later = try #require(turns.take(for: "a", attempt: 6, now: .zero))
    #expect(!turns.isHeld(earlier) && turns.isHeld(later))
    #expect(turns.take(for: "a", attempt: 5, now: .zero) == nil)
    // Its failure says nothing of the peer.
    turns.give(earlier, after: failure, now: .zero)
    #expect(turns.isHeld(later))
    turns.give(later, after: nil, now: .zero)
    #expect(turns.take(for: "a", now: .zero) != nil)
  }

  @Test func failuresAreFollowedByLongerAndLongerRests() throws {
    let turns = PathTurns()
    var now = Instant.zero
    for failures in 0..<12 {
      let turn = try #require(turns.take(for: "a", now: now))
      turns.give(turn, after: failure, now: now)
      let rest = min(PathTurns.firstRest * (1 << min(failures, 8)), PathTurns.longestRest)
      #expect(turns.take(for: "a", attempt: .max, now: now.advanced(by: rest - .milliseconds(1))) == nil)
      // Others need not rest.
      let other = try #require(turns.take(for: "b", now: now))
      turns.give(other, after: nil, now: now)
      now = now.advanced(by: rest)
    }
  }
}
