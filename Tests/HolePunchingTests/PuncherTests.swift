import Datagrams
import HolePunching
import PlexusTesting
import Testing

@Suite struct PuncherTests {
  private struct Refusal: Error {}

  @Test func theInviterProbesOftenEnoughForTheReferenceUntilItGivesUp() {
    var bench = PuncherBench(.inviting)
    let start = bench.now
    let sent = bench.pass(.seconds(61))
    #expect(sent.first?.time == start)
    for (earlier, later) in zip(sent, sent.dropFirst()) {
      #expect(earlier.time.duration(to: later.time) <= .milliseconds(1600))
    }
    #expect(sent.allSatisfy { PuncherBench.flag(of: $0.transmit) == .probe && $0.transmit.hopLimit == nil })
    #expect(sent.filter { $0.time < start.advanced(by: .milliseconds(500)) }.count >= 4)
    #expect(Set(sent.map(\.transmit.payload)).count == sent.count)
    #expect(bench.failure?.code == .peerSilent)
    #expect(bench.failure?.duration == .seconds(60))
    #expect(bench.puncher.pollTimeout() == nil)
  }

  @Test func theAcceptorHoldsBackFromThePeersNATForThreeSeconds() {
    var bench = PuncherBench(.accepting)
    let start = bench.now
    let sent = bench.pass(.seconds(61))
    #expect(sent.first?.time == start)
    let (early, late) = (
      sent.filter { $0.time < start.advanced(by: .seconds(3)) },
      sent.filter { $0.time >= start.advanced(by: .seconds(3)) }
    )
    #expect(early.count >= 4 && early.allSatisfy { $0.transmit.hopLimit == 7 })
    #expect(late.contains { $0.transmit.hopLimit == 7 } && late.contains { $0.transmit.hopLimit == nil })
    #expect(sent.allSatisfy { PuncherBench.flag(of: $0.transmit) == .probe })
    #expect(bench.failure?.code == .peerSilent)
  }

  @Test func theAcceptorWithAForwardedPortWaitsToBeHeard() {
    var configuration = PunchConfiguration()
    configuration.openingDelay = .seconds(30)
    var bench = PuncherBench(.accepting, configuration: configuration)
    #expect(bench.pass(.seconds(20)).isEmpty)
    bench.hear(.probe)
    #expect(bench.pollAll().map(PuncherBench.flag) == [.answer])
  }

  @Test func theAcceptorWithAForwardedPortOpensItsNATIfNobodyComes() {
    var configuration = PunchConfiguration()
    configuration.openingDelay = .seconds(30)
    var bench = PuncherBench(.accepting, configuration: configuration)
    let start = bench.now
    let sent = bench.pass(.seconds(61))
    #expect(sent.allSatisfy { $0.time >= start.advanced(by: .seconds(30)) })
    #expect(sent.contains { $0.transmit.hopLimit == 7 } && sent.contains { $0.transmit.hopLimit == nil })
    #expect(bench.failure?.code == .peerSilent)
  }

  @Test func aLoneAnswerDoesNotEndTheInviterButASecondDoes() {
    var bench = PuncherBench(.inviting)
    _ = bench.pollAll()
    let stray = HandshakeDatagram(.answer, using: &bench.random).encoded(secret: PuncherBench.secret)
    for _ in 0..<5 { bench.hear(stray) }
    #expect(bench.pass(.milliseconds(100)).allSatisfy { PuncherBench.flag(of: $0.transmit) == .probe })
    bench.hear(.answer)
    #expect(bench.pass(.seconds(1)).count { PuncherBench.flag(of: $0.transmit) == .answer } >= 4)
    #expect(bench.result?.conclusion == .told)
    #expect(bench.result?.peerKind == .plain)
  }

  @Test func theAcceptorEndsAtTheReferencesOnlyAnswerOnceItHasBeenAsked() {
    var bench = PuncherBench(.accepting)
    bench.hear(.answer)
    #expect(bench.result == nil)
    _ = bench.pollAll()
    bench.hear(.probe)
    #expect(bench.pollAll().map(PuncherBench.flag) == [.answer])
    bench.hear(.answer)
    #expect(bench.result?.conclusion == .acknowledged)
    #expect(bench.pollAll().isEmpty)
  }

  @Test func ourOwnPeersKnowEachOther() throws {
    var (acceptor, inviter) = (PuncherBench(.accepting, seed: 1), PuncherBench(.inviting, seed: 2))
    _ = acceptor.pollAll()
    for transmit in inviter.pollAll() { acceptor.hear(transmit.payload) }
    inviter.now = inviter.now.advanced(by: .milliseconds(40))
    for transmit in acceptor.pollAll() { inviter.hear(transmit.payload) }
    let lastWord = inviter.pollAll()
    #expect(lastWord.map(PuncherBench.flag) == [.answer])
    for transmit in lastWord { acceptor.hear(transmit.payload) }
    #expect(acceptor.result?.peerKind == .echoing)
    // Done, and yet there is something to flush.
    let acknowledgements = acceptor.pollAll()
    #expect(acknowledgements.count == 3)
    try inviter.hear(#require(acknowledgements.last).payload)
    #expect(inviter.result?.conclusion == .acknowledged)
    #expect(inviter.result?.roundTrip == .milliseconds(40) || inviter.result?.roundTrip == .zero)
  }

  /// An acceptor that has heard us answers; whatever its probe carries of ours is chance.
  @Test func aProbeThatSeemsToEchoDoesNotSayThatWeAreHeard() throws {
    var bench = PuncherBench(.inviting)
    let sent = try #require(bench.pollAll().first)
    let plain = try #require(HandshakeDatagram(decoding: sent.payload, secret: PuncherBench.secret)).plainBytes
    let probe = HandshakeDatagram(
      .probe, nonce: (plain[0], plain[1], plain[2], plain[3], ~plain[4], ~plain[5], ~plain[6]))
    bench.hear(probe.encoded(secret: PuncherBench.secret))
    bench.pass(.seconds(90))
    #expect(bench.failure?.code == .oneWay)
  }

  @Test(arguments: [PunchRole.inviting, .accepting])
  func noiseFromThePeersEndpointEndsNothing(_ role: PunchRole) async {
    for seed in TestSeeds.schedules(5) {
      await Task.yield()
      var bench = PuncherBench(role, seed: seed)
      var sent = 0
      for _ in 0..<20_000 {
        sent += bench.pass(.milliseconds(2)).count
        let length = bench.random.chance(0.9) ? 8 : Int.random(in: 0...64, using: &bench.random)
        let stray = (0..<length).map { _ in UInt8.random(in: 0...255, using: &bench.random) }
        bench.hear(stray)
      }
      sent += bench.pass(.seconds(30)).count
      #expect(bench.result == nil, "PLEXUS_SEED=\(seed)")
      #expect(bench.failure?.code == .onlyNoise, "PLEXUS_SEED=\(seed)")
      #expect(sent < 2000)
    }
  }

  @Test(arguments: [PunchRole.inviting, .accepting])
  func ownDatagramsThatComeBackAreIgnored(_ role: PunchRole) {
    var bench = PuncherBench(role)
    for _ in 0..<200 {
      for (_, transmit) in bench.pass(.milliseconds(200)) { bench.hear(transmit.payload) }
    }
    #expect(bench.result == nil)
    bench.pass(.seconds(60))
    #expect(bench.failure?.code == .peerSilent)
    #expect((bench.failure?.counters.reflections ?? 0) > 10)
  }

  @Test(arguments: [PunchRole.inviting, .accepting])
  func whoeverSpeaksFromElsewhereIsNotThePeerButIsReported(_ role: PunchRole) {
    var bench = PuncherBench(role)
    for _ in 0..<20 {
      bench.hear(.probe, from: PuncherBench.stranger)
      bench.hear(.answer, from: PuncherBench.stranger)
      #expect(bench.pass(.milliseconds(1)).count <= 1)
    }
    bench.pass(.seconds(60))
    #expect(bench.failure?.code == .peerElsewhere)
    #expect(bench.failure?.counters.validFromStrangers == 40)
    #expect(bench.failure?.counters.firstValidStranger == PuncherBench.stranger)
  }

  @Test(arguments: [PunchRole.inviting, .accepting])
  func aFloodIsNotAnsweredByAFlood(_ role: PunchRole) {
    var bench = PuncherBench(role)
    let probe = HandshakeDatagram(.probe, using: &bench.random).encoded(secret: PuncherBench.secret)
    var sent = 0
    for _ in 0..<10_000 {
      bench.hear(probe)
      sent += bench.pass(.microseconds(100)).count
    }
    #expect(sent < 150)
  }

  @Test func silenceAfterAnAnswerTellsTheAcceptorThatItArrived() {
    var bench = PuncherBench(.accepting)
    bench.hear(.probe)
    bench.pass(.seconds(5))
    #expect(bench.result == nil)
    bench.pass(.seconds(2))
    #expect(bench.result?.conclusion == .silence)
  }

  @Test func silenceAfterLongInsistenceTellsTheAcceptorThatNothingArrived() {
    var bench = PuncherBench(.accepting)
    for _ in 0..<12 {
      bench.hear(.probe)
      bench.pass(.seconds(1))
    }
    bench.pass(.seconds(60))
    #expect(bench.failure?.code == .oneWay)
    #expect(bench.failure?.counters.probesHeard == 12)
  }

  @Test func anAcceptorInTheMiddleOfItDoesNotGiveUp() {
    var bench = PuncherBench(.accepting)
    bench.pass(.milliseconds(59_500))
    bench.hear(.probe)
    bench.pass(.seconds(2))
    #expect(bench.failure == nil)
    bench.hear(.answer)
    #expect(bench.result != nil)
  }

  @Test(arguments: [PunchRole.inviting, .accepting])
  func aRefusalToSendMattersOnlyIfItLasts(_ role: PunchRole) {
    var bench = PuncherBench(role)
    let begin = bench.now
    for step in 0..<20 {
      for (time, transmit) in bench.pass(.milliseconds(500)) {
        // Better every four seconds, and then no more.
        let failure = step < 16 && step % 8 == 7 ? nil : Refusal()
        bench.puncher.handleSent(transmit, failure: failure, now: time)
      }
      if step < 16 { #expect(bench.failure == nil) }
    }
    #expect(bench.failure == nil)
    for (time, transmit) in bench.pass(.seconds(6)) {
      bench.puncher.handleSent(transmit, failure: Refusal(), now: time)
    }
    #expect(bench.failure?.code == .cannotSend)
    #expect(bench.failure?.description.contains("Refusal") == true)
    #expect(begin.duration(to: bench.now) < .seconds(60))
  }

  @Test func noTextShowsTheSecret() {
    var bench = PuncherBench(.inviting)
    var dumped = ""
    dump(bench.puncher, to: &dumped)
    bench.pass(.seconds(61))
    let texts = ["\(bench.puncher)", String(reflecting: bench.puncher), dumped, "\(bench.failure as Any)"]
    for text in texts { #expect(!text.contains("\(PuncherBench.secret)")) }
  }
}
