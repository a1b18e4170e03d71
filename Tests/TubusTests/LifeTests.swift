import Datagrams
import PlexusTesting
import Testing

@testable import Tubus

/// How connections begin, stay and end, in virtual time.
@Suite struct LifeTests {
  typealias Pair = Wire<CoreEnd, CoreEnd>

  private func linked(_ configuration: TubusConfiguration = TubusConfiguration()) -> Pair {
    let wire = Pair(CoreEnd(.connector, configuration), CoreEnd(.acceptor, configuration))
    let isLinked = wire.run(for: .seconds(5)) { $0.left.isLinked && $0.right.isLinked }
    #expect(isLinked)
    return wire
  }

  private static func at(_ seconds: Double) -> Instant { Instant(nanoseconds: Int64(seconds * 1e9)) }

  // MARK: The beginning

  @Test func aConnectorGivesUpAfterThirtySeconds() {
    let wire = Pair(CoreEnd(.connector), CoreEnd(.acceptor))
    var links = 0
    wire.passes = { _, _, _ in
      links += 1
      return false
    }
    wire.run(for: .seconds(60)) { $0.left.ending != nil }
    #expect(wire.left.events == [.closed(.notLinked)] && wire.now == Self.at(30))
    #expect((290...310).contains(links))
    #expect(wire.left.connection.isFinished && wire.left.connection.pollTimeout() == nil)
  }

  @Test func anAcceptorThatIsNotAskedGivesUpAfterThirtySeconds() {
    let wire = Pair(CoreEnd(.connector), CoreEnd(.acceptor))
    wire.passes = { _, _, _ in false }
    wire.run(for: .seconds(60)) { $0.right.ending != nil }
    #expect(wire.right.events == [.closed(.notLinked)] && wire.now == Self.at(30))
  }

  /// A link with a forged source address: its owner is bothered little, and not for long.
  @Test(arguments: [false, true]) func aPeerThatNeverProvesItselfIsSentLittle(goesOn: Bool) {
    var acceptor = CoreEnd(.acceptor)
    let forger = Forger(pin: 99)
    acceptor.take(forger.datagram { _ = $0.append(.link) }, at: .zero)
    var now = Instant.zero
    var (sent, bytes, asked) = (0, 0, 1)
    while acceptor.ending == nil, let due = acceptor.due {
      now = max(now, due)
      if goesOn, now >= Instant.zero.advanced(by: .seconds(asked)) {
        asked += 1
        let start = UInt64(asked * 1000)
        acceptor.take(forger.datagram { $0.appendStream(start..<start + 1000) }, at: now)
      }
      acceptor.wake(at: now)
      for datagram in acceptor.emit(at: now) {
        (sent, bytes) = (sent + 1, bytes + datagram.count)
        #expect(datagram.count < 200)
      }
    }
    #expect(acceptor.events == [.closed(.notLinked)] && now == Self.at(30))
    #expect(sent < 40 + asked && bytes < 100 * sent)
  }

  @Test func anApplicationThatWritesTooEarlySendsNothingToAForgedAddress() {
    var acceptor = CoreEnd(.acceptor)
    acceptor.take(
      Forger(pin: 99).datagram { writer in
        _ = writer.append(.link)
        _ = writer.append(.edge, .max)
      }, at: .zero)
    acceptor.write(100_000)
    var now = Instant.zero
    var bytes = 0
    while acceptor.ending == nil, let due = acceptor.due {
      now = max(now, due)
      acceptor.wake(at: now)
      bytes += acceptor.emit(at: now).reduce(0) { $0 + $1.count }
    }
    #expect(acceptor.ending == .notLinked && bytes < 4000)
  }

  @Test(arguments: [WireDirection.toRight, .toLeft]) func lostLinksAndLinkEchoesAreRepeated(lost: WireDirection) {
    let wire = Pair(CoreEnd(.connector), CoreEnd(.acceptor))
    wire.passes = { direction, _, now in direction != lost || now >= Self.at(3) }
    let isLinked = wire.run(for: .seconds(30)) { $0.left.isLinked && $0.right.isLinked }
    #expect(isLinked && wire.now < Self.at(3.5))
    wire.left.write(10_000)
    let arrived = wire.run(for: .seconds(2)) { $0.right.received.count == 10_000 }
    #expect(arrived)
  }

  @Test func anotherPinIsAnotherConnection() {
    let wire = linked()
    var again = CoreEnd(.connector, seed: 1000)
    for datagram in again.emit(at: wire.now) {
      let reception = wire.right.connection.take(datagram, now: wire.now)
      #expect(reception == .ignored)
    }
    wire.right.connection.replace()
    #expect(wire.right.connection.drainEvents() == [.closed(.replaced)] && wire.right.connection.isFinished)
  }

  // MARK: Idle

  @Test func silenceEndsAConnectionAfterThirtyFiveSeconds() {
    let wire = linked()
    wire.run(for: .seconds(20))
    wire.passes = { _, _, _ in false }
    let (left, right) = (wire.left.connection.lastHeard, wire.right.connection.lastHeard)
    wire.run(for: .seconds(60)) { $0.left.ending != nil }
    #expect(wire.left.ending == .silent && wire.now == left.advanced(by: .seconds(35)))
    wire.run(for: .seconds(60)) { $0.right.ending != nil }
    #expect(wire.right.ending == .silent && wire.now == max(left, right).advanced(by: .seconds(35)))
  }

  /// NATs at both ends, which let in what comes within 20 s of what went out.
  @Test func anIdleHourKeepsTheMappingsOfNATs() {
    let wire = linked()
    var last: [WireDirection: Instant] = [.toRight: wire.now, .toLeft: wire.now]
    var longest = Duration.zero
    var count = 0
    wire.passes = { direction, _, now in
      let before = last[direction] ?? .zero
      longest = max(longest, before.duration(to: now))
      last[direction] = now
      count += 1
      let other: WireDirection = direction == .toRight ? .toLeft : .toRight
      return (last[other] ?? .zero).duration(to: now) < .seconds(20)
    }
    wire.run(for: .seconds(3600))
    #expect(wire.left.ending == nil && wire.right.ending == nil)
    #expect(longest <= .seconds(15))
    // No storm either: a ping and its echo, each 15 s, from each end at most.
    #expect(count <= 4 * 241)
    wire.right.write(10_000)
    let arrived = wire.run(for: .seconds(2)) { $0.left.received.count == 10_000 }
    #expect(arrived)
  }

  // MARK: The end

  @Test(arguments: [nil, 20_000], [nil, Duration.milliseconds(100)])
  func closingDeliversEverything(window: Int?, readsEvery: Duration?) {
    var configuration = TubusConfiguration()
    if let window { configuration.initialReceiveWindow = window }
    let wire = linked(configuration)
    wire.right.readsEvery = readsEvery
    wire.left.write(300_000)
    wire.left.connection.close(now: wire.now)
    let ended = wire.run(for: .seconds(120)) { $0.left.ending != nil && $0.right.received.count == 300_000 }
    #expect(ended && wire.left.ending == .closed && wire.right.hasReceived(300_000))
    wire.run(for: .seconds(3))
    #expect(wire.right.ending == .closedByPeer)
    #expect(wire.left.connection.isFinished && wire.right.connection.isFinished)
  }

  @Test func closingAnIdleConnectionTakesARoundTrip() {
    let wire = linked()
    wire.run(for: .seconds(5))
    let start = wire.now
    wire.right.connection.close(now: wire.now)
    wire.run(for: .seconds(5)) { $0.right.ending != nil }
    #expect(wire.right.ending == .closed && wire.left.ending == .closedByPeer)
    #expect(start.duration(to: wire.now) <= .milliseconds(20))
  }

  @Test func bothMayCloseAtOnce() {
    let wire = linked()
    wire.left.write(50_000)
    wire.right.write(50_000)
    wire.run(for: .seconds(1))
    wire.left.connection.close(now: wire.now)
    wire.right.connection.close(now: wire.now)
    wire.run(for: .seconds(5))
    #expect(wire.left.ending == .closed && wire.right.ending == .closed)
    #expect(wire.left.hasReceived(50_000) && wire.right.hasReceived(50_000))
  }

  @Test func anAbruptEndIsToldAtOnce() {
    let wire = linked()
    wire.left.write(3_000_000)
    wire.run(for: .milliseconds(50))
    let start = wire.now
    wire.left.connection.abort(now: wire.now)
    wire.run(for: .seconds(5)) { $0.left.ending != nil }
    #expect(wire.left.ending == .aborted && wire.right.ending == .closedByPeer)
    #expect(start.duration(to: wire.now) <= .milliseconds(21))
    #expect(wire.right.received.count < 3_000_000)
    #expect(wire.right.hasReceived(wire.right.received.count))
  }

  @Test func whoeverIsGoneIsNotWaitedFor() {
    let wire = linked()
    wire.left.write(3_000_000)
    wire.run(for: .milliseconds(50))
    wire.left.connection.abort(isPeerGone: true, now: wire.now)
    #expect(wire.left.connection.drainEvents() == [.closed(.aborted)])
    #expect(wire.left.connection.isFinished && wire.left.connection.drain(now: wire.now).isEmpty)
  }

  @Test func anAbruptEndLeavesTheOffsetsWhereTheyWere() {
    let wire = linked()
    wire.left.write(3_000_000)
    wire.run(for: .milliseconds(50))
    let (sent, acknowledged) = (wire.left.connection.sentOffset, wire.left.connection.acknowledgedOffset)
    wire.left.connection.abort(now: wire.now)
    wire.run(for: .seconds(5)) { $0.left.ending != nil }
    #expect(wire.left.connection.sentOffset == sent && sent < 3_000_000)
    #expect(wire.left.connection.acknowledgedOffset == acknowledged && acknowledged < sent)
  }

  @Test func whatIsUnreadStaysToBeReadWhenThePeerTears() {
    let wire = linked()
    wire.right.readsEvery = .seconds(10)
    wire.left.write(200_000)
    wire.run(for: .seconds(2))
    wire.left.connection.abort(now: wire.now)
    wire.run(for: .seconds(1))
    #expect(wire.right.ending == .closedByPeer && wire.right.received.count < 200_000)
    wire.run(for: .seconds(600)) { $0.right.received.count == 200_000 }
    #expect(wire.right.hasReceived(200_000))
  }

  @Test func lostTearEchoesAreWaitedForTwoSeconds() {
    let wire = linked()
    wire.run(for: .seconds(1))
    wire.passes = { direction, _, _ in direction == .toRight }
    let start = wire.now
    wire.left.connection.close(now: wire.now)
    wire.run(for: .seconds(10)) { $0.left.ending != nil }
    #expect(wire.left.ending == .closed && wire.now == start.advanced(by: .seconds(2)))
    #expect(wire.right.ending == .closedByPeer)
    wire.run(for: .seconds(1))
    #expect(wire.right.connection.isFinished)
  }

  @Test func lostTearsAreRepeated() {
    let wire = linked()
    wire.run(for: .seconds(1))
    let start = wire.now
    wire.passes = { direction, _, now in direction == .toLeft || start.duration(to: now) > .milliseconds(950) }
    wire.left.connection.close(now: wire.now)
    wire.run(for: .seconds(10)) { $0.left.ending != nil }
    #expect(wire.left.ending == .closed && wire.right.ending == .closedByPeer)
    #expect(start.duration(to: wire.now) < .milliseconds(1100))
  }

  @Test func aPeerThatDiesWhileWeCloseIsFoundSilent() {
    let wire = linked()
    wire.left.write(300_000)
    wire.run(for: .milliseconds(35))
    wire.passes = { _, _, _ in false }
    wire.left.connection.close(now: wire.now)
    wire.run(for: .milliseconds(20))
    let heard = wire.left.connection.lastHeard
    wire.run(for: .seconds(100)) { $0.left.ending != nil }
    #expect(wire.left.ending == .silent && wire.now == heard.advanced(by: .seconds(35)))
  }

  @Test func aPeerThatIsGoneForThirtySecondsIsWaitedFor() {
    let wire = linked()
    wire.left.write(300_000)
    wire.run(for: .milliseconds(35))
    let start = wire.now
    wire.passes = { _, _, now in start.duration(to: now) > .seconds(30) }
    wire.left.connection.close(now: wire.now)
    wire.run(for: .seconds(60)) { $0.left.ending != nil }
    #expect(wire.left.ending == .closed && wire.right.hasReceived(300_000))
    // The probes' back-off ends at two seconds.
    #expect(start.duration(to: wire.now) < .seconds(34))
  }

  @Test func nothingIsWrittenAfterClosing() {
    let wire = linked()
    wire.left.write(1000)
    wire.left.connection.close(now: wire.now)
    wire.left.write(1000)
    wire.run(for: .seconds(5)) { $0.left.ending != nil }
    #expect(wire.left.ending == .closed && wire.right.hasReceived(1000))
  }

  @Test func whoTearsAtOnceIsNeverLinked() {
    var acceptor = CoreEnd(.acceptor)
    let forger = Forger(pin: 99)
    let edge = acceptor.connection.receiveWindow.granted
    acceptor.take(
      forger.datagram { writer in
        _ = writer.append(.link)
        _ = writer.append(.tear)
        _ = writer.append(.edgeEcho, edge)
      }, at: .zero)
    _ = acceptor.emit(at: .zero)
    #expect(acceptor.events == [.closed(.closedByPeer)])
  }

  @Test func nothingHappensAfterTheEnd() {
    let wire = linked()
    wire.left.connection.close(now: wire.now)
    wire.run(for: .seconds(5))
    wire.left.write(1000)
    wire.left.connection.close(now: wire.now)
    wire.left.connection.abort(now: wire.now)
    let forger = Forger(pin: wire.right.connection.pin)
    for kind in [Section.Kind.link, .linkEcho, .tear, .tearEcho] {
      wire.left.take(forger.datagram { _ = $0.append(kind) }, at: wire.now)
    }
    #expect(wire.left.connection.drain(now: wire.now).isEmpty && wire.left.connection.drainEvents().isEmpty)
    #expect(wire.left.connection.pollTimeout() == nil && wire.left.connection.unsentBytes == 0)
  }
}
