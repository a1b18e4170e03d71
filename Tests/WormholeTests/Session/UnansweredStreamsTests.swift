import NIOCore
import Testing

@testable import Wormhole

/// When a far end that owes its word is given up, without waiting for it.
struct UnansweredStreamsTests {
  private static func second(_ number: UInt64) -> NIODeadline { .uptimeNanoseconds(number * 1_000_000_000) }

  @Test func whoWaitsForASilentTunnelIsOverdue() {
    var streams = UnansweredStreams(patience: .seconds(12))
    #expect(streams.nextDeadline == nil)
    streams.add(7, now: Self.second(100))
    streams.add(8, now: Self.second(105))
    #expect(streams.nextDeadline == Self.second(112) && streams.overdue(now: Self.second(111)).isEmpty)
    #expect(streams.overdue(now: Self.second(112)) == [7] && streams.overdue(now: Self.second(117)) == [7, 8])
    streams.remove(7)
    #expect(streams.nextDeadline == Self.second(117) && streams.overdue(now: Self.second(112)).isEmpty)
    streams.remove(8)
    #expect(streams.nextDeadline == nil && streams.overdue(now: Self.second(1000)).isEmpty)
  }

  @Test func aTunnelThatBringsSomethingIsWaitedFor() {
    var streams = UnansweredStreams(patience: .seconds(12))
    streams.add(7, now: Self.second(100))
    streams.tunnelHasBroughtSomething(now: Self.second(110))
    #expect(streams.overdue(now: Self.second(121)).isEmpty && streams.nextDeadline == Self.second(122))
    #expect(streams.overdue(now: Self.second(122)) == [7])
  }
}
