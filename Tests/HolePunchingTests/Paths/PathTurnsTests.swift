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

  /// However they invite again: others get their turn.
  @Test func aPeerThatInvitesAgainAndAgainHasToRestAsAfterAFailure() throws {
    let turns = PathTurns()
    var now = Instant.zero
    var attempt: UInt64 = 1
    while turns.take(for: "a", attempt: attempt, now: now) != nil {
      now = now.advanced(by: .seconds(20))
      attempt += 1
    }
    #expect(now == Instant.zero.advanced(by: .seconds(80)))
    let other = try #require(turns.take(for: "b", now: now))
    turns.give(other, after: nil, now: now)
    #expect(turns.take(for: "a", attempt: .max, now: now.advanced(by: PathTurns.firstRest)) != nil)
  }

  @Test func searchesForOnePeerShareABudgetAndThoseForOthersDoNot() {
    let turns = PathTurns()
    let (now, address) = (Instant.zero, IPAddress.v4(1))
    let first = turns.budget(for: "a", now: now)
    let second = turns.budget(for: "b", now: now)
    #expect(first === turns.budget(for: "a", now: now) && first !== second)
    while first.take(address, for: .agreement, now: now) != nil {}
    #expect(turns.budget(for: "a", now: now).take(address, for: .agreement, now: now) == nil)
    #expect(second.take(address, for: .guess, now: now) == 1)
  }

  @Test func aBudgetOutlivesItsSearchesByASecondAndNoLonger() {
    let turns = PathTurns()
    let (now, address) = (Instant.zero, IPAddress.v4(1))
    func spend(at now: Instant) -> Int { turns.budget(for: "a", now: now).take(address, for: .guess, now: now) ?? 0 }
    #expect(spend(at: now) == 1)
    _ = turns.budget(for: "b", now: now.advanced(by: .milliseconds(500)))
    #expect(spend(at: now.advanced(by: .milliseconds(900))) == 2)
    weak var forgotten: SendBudget?
    forgotten = turns.budget(for: "a", now: now)
    #expect(forgotten != nil)
    _ = turns.budget(for: "c", now: now.advanced(by: .seconds(2)))
    #expect(forgotten == nil)
    // Who still searches keeps it, also after a pause.
    let held = turns.budget(for: "a", now: now)
    _ = turns.budget(for: "d", now: now.advanced(by: .seconds(60)))
    #expect(turns.budget(for: "a", now: now) === held)
  }

  @Test func whatMattersMoreHasRoomLeft() {
    let (budget, address) = (SendBudget(), IPAddress.v4(1))
    func takeAll(_ purpose: SendBudget.Purpose, at now: Instant) -> Int {
      var count = 0
      while budget.take(address, for: purpose, now: now) != nil { count += 1 }
      return count
    }
    #expect(takeAll(.guess, at: .zero) == 175)
    #expect(takeAll(.check, at: .zero) == 8 && takeAll(.guess, at: .zero) == 0)
    #expect(takeAll(.agreement, at: .zero.advanced(by: .milliseconds(999))) == 7)
    #expect(budget.take(.v4(2), for: .guess, now: .zero) == 1)
    // The seven of the last instant are still of this second.
    #expect(takeAll(.agreement, at: .zero.advanced(by: .seconds(1))) == 183)
  }
}
