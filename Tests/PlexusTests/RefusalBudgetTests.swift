import Datagrams
import Identity
import Testing

@testable import Plexus

@Suite struct RefusalBudgetTests {
  @Test func aPeerIsToldEightTimesAtOnceAndOnceASecondThen() throws {
    var budget = RefusalBudget()
    let (ann, bob) = try (IdentityName("ann@example.org/a"), IdentityName("bob@example.org/b"))
    func told(_ peer: IdentityName, at now: Instant) -> Int { (0..<20).count { _ in budget.take(peer, now: now) } }
    #expect(told(ann, at: .zero) == 8)
    #expect(told(bob, at: .zero) == 8)
    #expect(told(ann, at: .zero.advanced(by: .milliseconds(900))) == 0)
    #expect(told(ann, at: .zero.advanced(by: .seconds(3))) == 3)
    #expect(told(ann, at: .zero.advanced(by: .seconds(3600))) == 8)
  }

  @Test func itsMemoryIsBounded() throws {
    var budget = RefusalBudget()
    for number in 0..<1024 { #expect(try budget.take(IdentityName("p\(number)@example.org/x"), now: .zero)) }
    let late = try IdentityName("late@example.org/x")
    let isToldAtOnce = budget.take(late, now: .zero)
    let isToldLater = budget.take(late, now: .zero.advanced(by: .seconds(2)))
    #expect(!isToldAtOnce && isToldLater)
  }
}
