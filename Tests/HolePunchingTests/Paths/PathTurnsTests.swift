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

  @Test func searchesForOnePeerShareABudgetAndThoseForOthersDoNot() {
    let turns = PathTurns()
    var first: SendBudget? = turns.budget(for: "a")
    let second = turns.budget(for: "b")
    #expect(first === turns.budget(for: "a") && first !== second)
    let address = IPAddress.v4(1)
    while first?.take(address, for: .agreement, now: .zero) != nil {}
    #expect(turns.budget(for: "a").take(address, for: .agreement, now: .zero) == nil)
    #expect(second.take(address, for: .guess, now: .zero) == 1)
    // With its last search it is gone.
    first = nil
    #expect(turns.budget(for: "a").take(address, for: .guess, now: .zero) == 1)
  }

  @Test func whatMattersMoreHasRoomLeft() {
    let (budget, address) = (SendBudget(), IPAddress.v4(1))
    func takeAll(_ purpose: SendBudget.Purpose, at now: Instant) -> Int {
      var count = 0
      while budget.take(address, for: purpose, now: now) != nil { count += 1 }
      return count
    }
    #expect(takeAll(.guess, at: .zero) == 165)
    #expect(takeAll(.check, at: .zero) == 15 && takeAll(.guess, at: .zero) == 0)
    #expect(takeAll(.agreement, at: .zero.advanced(by: .milliseconds(999))) == 10)
    #expect(budget.take(.v4(2), for: .guess, now: .zero) == 1)
    // The ten of the last instant are still of this second.
    #expect(takeAll(.agreement, at: .zero.advanced(by: .seconds(1))) == 180)
  }
}
