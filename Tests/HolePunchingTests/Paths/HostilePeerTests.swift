import Datagrams
import PlexusTesting
import STUN
import Testing

@testable import HolePunching

/// A peer that holds the keys and means no good, and strangers that hold none.
@Suite struct HostilePeerTests {
  private func offer(_ traits: NATTraits, random: inout SeededGenerator) -> PunchOffer {
    let candidates = (0..<20).map { _ in
      Candidate(
        Candidate.Kind.allCases.randomElement(using: &random) ?? .host, endpoint(random: &random),
        priority: .random(in: .min ... .max, using: &random))
    }
    return PunchOffer(candidates: candidates, traits: traits, keyShare: KeyShare(using: &random))
  }

  private func endpoint(random: inout SeededGenerator) -> Endpoint {
    Endpoint(
      address: random.chance(0.8)
        ? .v4(.random(in: .min ... .max, using: &random))
        : .v6(high: .random(in: .min ... .max, using: &random), low: .random(in: .min ... .max, using: &random)),
      port: .random(in: .min ... .max, using: &random))
  }

  private func traits(random: inout SeededGenerator) -> NATTraits {
    NATTraits(
      mapping: MappingBehavior.allCases.randomElement(using: &random) ?? .unknown,
      filtering: FilteringBehavior.allCases.randomElement(using: &random) ?? .unknown,
      allocation: [.preserving, .sequential(step: .random(in: -64...64, using: &random)), .random, .unknown]
        .randomElement(using: &random) ?? .unknown,
      sampledPorts: (0..<Int.random(in: 0...40, using: &random)).map { _ in
        .random(in: .min ... .max, using: &random)
      })
  }

  @Test(arguments: [PunchRole.inviting, .accepting])
  func whateverThePeerSendsMemoryAndRatesAreBounded(_ role: PunchRole) async {
    for seed in TestSeeds.schedules(10) {
      await Task.yield()
      var random = SeededGenerator(seed: seed)
      let (own, peer) = (
        offer(traits(random: &random), random: &random), offer(traits(random: &random), random: &random)
      )
      let keys = CheckKeys(role: role == .inviting ? .accepting : .inviting, own: peer.keyShare, peer: own.keyShare)
      let bases = [CheckBase(Endpoint(address: .v4(0xC0A8_0102), port: 4000)), CheckBase(.any(.v6))]
      var finder = PathFinder(
        role: role, own: own, peer: peer, bases: bases, now: .zero, generator: random.split())
      var now = Instant.zero
      var ids: [STUNTransactionID] = []
      for _ in 0..<800 where finder.pollOutcome() == nil {
        now = now.advanced(by: random.duration(upTo: .milliseconds(20)))
        if finder.wantedSockets > 0 { finder.add(CheckBase(.any(.v4))) }
        let id = random.chance(0.5) ? ids.randomElement(using: &random) : nil
        let contents: [CheckMessage.Content] = [
          .request(priority: .random(in: .min ... .max, using: &random), nomination: nil),
          .request(
            priority: 0,
            nomination: .init(number: .random(in: .min ... .max, using: &random), place: endpoint(random: &random))),
          .success(mapped: endpoint(random: &random)), .begin(nomination: .random(in: 0...3, using: &random)),
        ]
        let message = CheckMessage(
          contents.randomElement(using: &random) ?? contents[0], id: id ?? STUNTransactionID(using: &random))
        var payload = message.encoded(keys: keys)
        if random.chance(0.2) { payload.removeLast(Int.random(in: 0...payload.count, using: &random)) }
        finder.receive(
          Datagram(from: endpoint(random: &random), payload: payload), on: Int.random(in: 0...3, using: &random),
          now: now)
        finder.handleTimeout(now: now)
        while let sent = finder.pollTransmit() {
          if let sentMessage = try? STUNMessage(decoding: sent.transmit.payload) {
            ids.append(sentMessage.transactionID)
          }
          finder.handleSent(sent, failure: random.chance(0.1) ? PathTestError() : nil, now: now)
        }
        #expect(finder.counters.peakPerSecond <= 200, "PLEXUS_SEED=\(seed)")
      }
      // A second holds 100 answers, 200 checks, and guesses.
      let seconds = Double(Instant.zero.duration(to: now).milliseconds / 1000) + 1
      #expect(Double(finder.counters.sent) < 600 * seconds, "PLEXUS_SEED=\(seed)")
    }
  }

  /// Sixteen passages are what one peer may have at a time, and each offer names the same third party.
  @Test func aPeerWithManyPassagesHasNoMoreSentToAThirdPartyThanWithOne() async {
    var random = SeededGenerator(seed: 11)
    let (turns, victim) = (PathTurns(), IPAddress.v4(0xC633_6407))
    let traits = NATTraits(mapping: .addressAndPortDependent, filtering: .addressAndPortDependent, allocation: .random)
    var finders = (0..<16).map { _ in
      let peer = PunchOffer(
        candidates: (0..<16).map {
          Candidate(.serverReflexive, Endpoint(address: victim, port: 4000 + UInt16($0)), priority: .max)
        }, traits: traits, keyShare: KeyShare(using: &random))
      return PathFinder(
        role: .accepting, own: offer(NATTraits(), random: &random), peer: peer,
        bases: [CheckBase(Endpoint(address: .v4(0xC0A8_0102), port: 4000))], configuration: PathConfiguration(),
        budget: turns.budget(for: "peer", now: .zero), now: .zero, generator: random.split())
    }
    var sent: [Instant] = []
    var perFinder = [Int](repeating: 0, count: finders.count)
    for millisecond in 0..<5000 {
      let now = Instant.zero.advanced(by: .milliseconds(millisecond))
      if millisecond.isMultiple(of: 100) { await Task.yield() }
      for index in finders.indices {
        finders[index].handleTimeout(now: now)
        while let transmit = finders[index].pollTransmit() {
          #expect(transmit.transmit.destination.address == victim)
          sent.append(now)
          perFinder[index] += 1
        }
      }
    }
    for (index, time) in sent.enumerated() where index >= 190 {
      #expect(sent[index - 190].duration(to: time) >= .seconds(1))
    }
    #expect(sent.count > 5 * 150 && perFinder.allSatisfy { $0 > 0 })
  }

  /// Somebody in the acceptor's network sees the inviter's choice, and sends the same bytes from elsewhere.
  @Test func aCopyOfTheChoiceDoesNotDivertThePath() throws {
    var random = SeededGenerator(seed: 12)
    let place = Endpoint(address: .v4(0xC633_6401), port: 4000)
    let (inviter, copyist) = (
      Endpoint(address: .v4(0xC633_6402), port: 5000), Endpoint(address: .v4(0xC0A8_0166), port: 6000)
    )
    let (own, peer) = (offer(NATTraits(), random: &random), offer(NATTraits(), random: &random))
    let keys = CheckKeys(role: .inviting, own: peer.keyShare, peer: own.keyShare)
    var finder = PathFinder(
      role: .accepting, own: own, peer: peer, bases: [CheckBase(Endpoint(address: .v4(0xC0A8_0102), port: 4000))],
      now: .zero, generator: random.split())
    func take(_ content: CheckMessage.Content, from source: Endpoint) {
      let message = CheckMessage(content, id: STUNTransactionID(using: &random))
      finder.receive(Datagram(from: source, payload: message.encoded(keys: keys)), on: 0, now: .zero)
    }
    let choice = CheckMessage.Content.request(priority: 1, nomination: .init(number: 3, place: place))
    take(choice, from: inviter)
    take(choice, from: copyist)
    take(.begin(nomination: 3), from: inviter)
    #expect(try finder.pollOutcome()?.get().peer == inviter)
  }

  @Test func strangersNeitherEndNorProlongASearch() {
    var random = SeededGenerator(seed: 9)
    let (own, peer) = (offer(NATTraits(), random: &random), offer(NATTraits(), random: &random))
    var finder = PathFinder(
      role: .inviting, own: own, peer: peer, bases: [CheckBase(.any(.v4))], now: .zero, generator: random.split())
    var now = Instant.zero
    while finder.pollOutcome() == nil {
      now = max(now.advanced(by: .milliseconds(50)), finder.pollTimeout() ?? now)
      let noise = (0..<Int.random(in: 0...200, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
      finder.receive(Datagram(from: endpoint(random: &random), payload: noise), on: 0, now: now)
      finder.handleTimeout(now: now)
      while let sent = finder.pollTransmit() { finder.handleSent(sent, failure: nil, now: now) }
      guard now < .zero.advanced(by: .seconds(70)) else { break }
    }
    guard case .failure(let failure)? = finder.pollOutcome() else {
      Issue.record("a stranger was taken for the peer")
      return
    }
    #expect(failure.code == .peerSilent)
    #expect(failure.duration < .seconds(61))
    #expect(failure.counters.noise > 100)
  }

  private struct PathTestError: Error {}
}
