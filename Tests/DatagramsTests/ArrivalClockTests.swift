import Datagrams
import Testing

@testable import DatagramSockets

@Suite struct ArrivalClockTests {
  private func at(_ seconds: Int64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

  @Test func datagramsComeBeforeTheDeadlineThatPassedWhileTheyWaited() {
    var clock = ArrivalClock()
    #expect(clock.now(hasDatagram: true, before: at(5), clock: at(3)) == at(3))
    for _ in 0..<3 { #expect(clock.now(hasDatagram: true, before: at(5), clock: at(9)) < at(5)) }
    #expect(clock.now(hasDatagram: false, before: at(5), clock: at(9)) == at(9))
  }

  @Test func aFloodDoesNotHoldADeadlineUp() {
    var clock = ArrivalClock()
    let times = (0..<40).map { _ in clock.now(hasDatagram: true, before: at(5), clock: at(9)) }
    #expect(times.count { $0 >= at(5) } > 0 && times == times.sorted())
  }

  @Test func itNeverGoesBack() {
    var clock = ArrivalClock()
    #expect(clock.now(hasDatagram: false, before: at(5), clock: at(9)) == at(9))
    #expect(clock.now(hasDatagram: true, before: at(5), clock: at(9)) == at(9))
  }
}
