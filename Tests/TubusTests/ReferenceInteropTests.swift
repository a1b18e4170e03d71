import Datagrams
import PlexusTesting
import Testing

@testable import Tubus

/// Our core against a model of the reference, in both roles: streams both ways arrive, and nothing of ours is beyond it.
@Suite struct ReferenceInteropTests {
  private static let total = 300_000

  struct Case: CustomTestStringConvertible {
    let role: TubusConnection.Role
    let secret: UInt64
    let loss: Double

    var testDescription: String { "we are the \(role), secret \(secret), loss \(loss)" }

    static let all = [TubusConnection.Role.connector, .acceptor].flatMap { role in
      [0, 0xFACE_FEED_0BAD_CAFE].flatMap { secret in
        [0, 0.02].map { Case(role: role, secret: secret, loss: $0) }
      }
    }
  }

  private func wire(_ role: TubusConnection.Role, secret: UInt64, loss: Double) -> Wire<CoreEnd, ReferencePeer> {
    var configuration = TubusConfiguration()
    configuration.secret = secret
    let wire = Wire(
      CoreEnd(role, configuration), ReferencePeer(role == .connector ? .acceptor : .connector, secret: secret))
    var random = loss > 0 ? TestSeeds.printed() : SeededGenerator(seed: 1)
    wire.passes = { _, datagram, _ in datagram.count <= 1472 && !random.chance(loss) }
    return wire
  }

  private static func bytes(_ count: Int) -> [UInt8] {
    stride(from: 0, to: count, by: 50_000).flatMap { start in
      Array(SimulatedTubus.bytes(from: UInt64(start), count: min(50_000, count - start)).readableBytesView)
    }
  }

  @Test(arguments: Case.all) func streamsBothWaysArriveAndWeClose(_ test: Case) {
    let wire = wire(test.role, secret: test.secret, loss: test.loss)
    wire.right.write(Self.bytes(Self.total))
    wire.run(for: .seconds(10)) { $0.left.isLinked }
    wire.left.write(Self.total)
    let arrived = wire.run(for: .seconds(60)) { $0.left.received.count == Self.total && $0.right.isFlushed }
    #expect(arrived && wire.left.hasReceived(Self.total))
    // Data is on its way while we close: all of it arrives.
    wire.left.connection.close(now: wire.now)
    wire.run(for: .seconds(60)) { $0.left.ending != nil }
    #expect(wire.left.ending == .closed && wire.right.state == .torn)
    #expect(wire.right.received == Self.bytes(Self.total))
    #expect(wire.right.complaints == [])
  }

  @Test(arguments: Case.all) func itClosesAndWeKeepWhatItWrote(_ test: Case) {
    let wire = wire(test.role, secret: test.secret, loss: test.loss)
    wire.left.readsEvery = .milliseconds(200)
    wire.right.write(Self.bytes(Self.total))
    wire.right.closesWhenFlushed = true
    wire.run(for: .seconds(60)) { $0.left.ending != nil }
    #expect(wire.left.ending == .closedByPeer)
    wire.run(for: .seconds(600)) { $0.left.received.count == Self.total }
    #expect(wire.left.hasReceived(Self.total) && wire.right.state == .torn)
    #expect(wire.right.complaints == [])
  }

  /// It drops what its application has not read when it is told to shut down, so we wait.
  @Test(arguments: [TubusConnection.Role.connector, .acceptor]) func aSlowReaderGetsEverythingFirst(
    role: TubusConnection.Role
  ) {
    let wire = wire(role, secret: 0, loss: 0)
    wire.right.readsPerMillisecond = 4000
    wire.run(for: .seconds(10)) { $0.left.isLinked }
    wire.left.write(Self.total)
    wire.left.connection.close(now: wire.now)
    wire.run(for: .seconds(60)) { $0.left.ending != nil }
    #expect(wire.left.ending == .closed && wire.right.received.count == Self.total)
    #expect(wire.right.complaints == [])
  }

  /// The reference is heard every 30 s at most as a connector, and never as an acceptor unless it is asked.
  @Test(arguments: [TubusConnection.Role.connector, .acceptor]) func anIdleHourIsSurvived(role: TubusConnection.Role) {
    let wire = wire(role, secret: 5, loss: 0)
    wire.run(for: .seconds(10)) { $0.left.isLinked }
    var last = wire.now
    var longest = Duration.zero
    wire.passes = { direction, _, now in
      if direction == .toRight {
        longest = max(longest, last.duration(to: now))
        last = now
      }
      return true
    }
    wire.run(for: .seconds(3600))
    #expect(wire.left.ending == nil && wire.right.state == .linked && longest <= .seconds(15))
    wire.left.write(10_000)
    let arrived = wire.run(for: .seconds(5)) { $0.right.received.count == 10_000 }
    #expect(arrived)
    #expect(wire.right.complaints == [])
  }

  /// More than its window: the edge moves on as its application takes the data, and comes back when it was lost.
  @Test func moreThanAWindowFlows() {
    let wire = wire(.connector, secret: 0, loss: 0.02)
    wire.delay = .milliseconds(2)
    wire.run(for: .seconds(10)) { $0.left.isLinked }
    wire.left.write(6 << 20)
    let arrived = wire.run(for: .seconds(100)) { $0.right.received.count == 6 << 20 }
    #expect(arrived)
    #expect(wire.right.complaints == [])
  }
}
