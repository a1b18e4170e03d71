import Datagrams
import HolePunching
import PlexusTesting
import Testing

/// NATs with peculiarities, NATs behind NATs, and NATs that cannot be punched.
@Suite struct PunchTopologyTests {
  @Test(arguments: NATBehaviour.UnexpectedInbound.allCases, Side.punchable)
  func natsThatResentUnexpectedDatagramsConnect(
    _ unexpected: NATBehaviour.UnexpectedInbound, peer: Side
  ) async {
    var tally = ScheduleTally("\(unexpected.rawValue) x \(peer.rawValue)")
    for seed in TestSeeds.schedules(100) {
      await Task.yield()
      var random = SeededGenerator(seed: seed)
      var scenario = PunchScenario(wire: .adverse(random: &random))
      scenario.inviterNATs = [(Self.resentful(unexpected), 4)]
      scenario.acceptorNATs = peer.layers(random: &random)
      // The acceptor sends nothing that reaches the peer's NAT in the first three seconds.
      scenario.inviterStart = .zero.advanced(by: random.duration(upTo: .milliseconds(2800)))
      tally.add(scenario.run(seed: random.next())?.isSound == true, seed: seed)
    }
    #expect(tally.failures.isEmpty, "\(tally)")
  }

  @Test(arguments: NATBehaviour.UnexpectedInbound.allCases, NATBehaviour.UnexpectedInbound.allCases)
  func suchNATsOnBothSidesConnect(
    _ acceptor: NATBehaviour.UnexpectedInbound, _ inviter: NATBehaviour.UnexpectedInbound
  ) async {
    var tally = ScheduleTally("\(acceptor.rawValue) x \(inviter.rawValue)")
    for seed in TestSeeds.schedules(100) {
      await Task.yield()
      var random = SeededGenerator(seed: seed)
      var scenario = PunchScenario(wire: .adverse(random: &random))
      scenario.acceptorNATs = [(Self.resentful(acceptor), 4)]
      scenario.inviterNATs = [(Self.resentful(inviter), 4)]
      scenario.inviterStart = .zero.advanced(by: random.duration(upTo: .milliseconds(2800)))
      tally.add(scenario.run(seed: random.next())?.isSound == true, seed: seed)
    }
    #expect(tally.failures.isEmpty, "\(tally)")
  }

  @Test(arguments: [NATBehaviour.UnexpectedInbound.dropsMapping, .claimsPort])
  func onlyTheLowHopLimitSavesThoseNATs(_ unexpected: NATBehaviour.UnexpectedInbound) {
    var scenario = PunchScenario()
    scenario.inviterNATs = [(Self.resentful(unexpected), 4)]
    scenario.acceptorNATs = [(.portRestricted, 4)]
    scenario.inviterStart = .zero.advanced(by: .seconds(1))
    #expect(scenario.run(seed: 1)?.bothSucceeded == true)
    scenario.configuration.lowHopLimit = 64
    #expect(scenario.run(seed: 1)?.bothSucceeded == false)
  }

  @Test(arguments: Side.punchable, Side.punchable)
  func twoLayersOfNATConnect(_ inner: Side, _ outer: Side) async {
    var tally = ScheduleTally("\(inner.rawValue) behind \(outer.rawValue)")
    for seed in TestSeeds.schedules(50) {
      await Task.yield()
      var random = SeededGenerator(seed: seed)
      var scenario = PunchScenario(wire: .adverse(random: &random))
      scenario.acceptorNATs = inner.layers(random: &random) + outer.layers(random: &random)
      scenario.inviterNATs = outer.layers(random: &random) + inner.layers(random: &random)
      // Two layers of four hops each are beyond the low hop limit, so the acceptor's outer NAT opens after 3 s.
      scenario.inviterStart = .zero.advanced(by: random.duration(upTo: .seconds(4)))
      tally.add(scenario.run(seed: random.next())?.isSound == true, seed: seed)
    }
    #expect(tally.failures.isEmpty, "\(tally)")
  }

  @Test(arguments: Side.punchable)
  func aNATBeyondTheLowHopLimitIsOpenedByTheFullOne(_ inviter: Side) async {
    var tally = ScheduleTally("far NAT x \(inviter.rawValue)")
    for seed in TestSeeds.schedules(100) {
      await Task.yield()
      var random = SeededGenerator(seed: seed)
      var scenario = PunchScenario(wire: .adverse(random: &random))
      // Nine routers between the home's NAT and the provider's.
      scenario.acceptorNATs = [(.portRestricted, 9), (.portRestricted, 3)]
      scenario.inviterNATs = inviter.layers(random: &random)
      tally.add(scenario.run(seed: random.next())?.isSound == true, seed: seed)
    }
    #expect(tally.failures.isEmpty, "\(tally)")
  }

  @Test(arguments: [(Side.symmetric, Side.portRestricted), (.portRestricted, .symmetric)])
  func aSymmetricNATAgainstAPortRestrictedOneFailsInSilence(_ acceptor: Side, _ inviter: Side) async throws {
    for seed in TestSeeds.schedules(50) {
      await Task.yield()
      var random = SeededGenerator(seed: seed)
      var scenario = PunchScenario(wire: .adverse(random: &random))
      scenario.acceptorNATs = acceptor.behaviour.map { [($0, 4)] } ?? []
      scenario.inviterNATs = inviter.behaviour.map { [($0, 4)] } ?? []
      let run = try #require(scenario.run(seed: random.next()))
      #expect(run.acceptor.failure?.code == .peerSilent, "PLEXUS_SEED=\(seed)")
      #expect(run.inviter.failure?.code == .peerSilent, "PLEXUS_SEED=\(seed)")
    }
  }

  /// The NAT lets the peer in, whose NAT has given it another port.
  @Test(arguments: [Side.open, .fullCone, .addressRestricted])
  func aSymmetricPeerIsSeenElsewhere(_ acceptor: Side) async throws {
    for seed in TestSeeds.schedules(50) {
      await Task.yield()
      var random = SeededGenerator(seed: seed)
      var scenario = PunchScenario(wire: .adverse(random: &random))
      scenario.acceptorNATs = acceptor.layers(random: &random)
      scenario.inviterNATs = [(.symmetric, 4)]
      let run = try #require(scenario.run(seed: random.next()))
      let failure = try #require(run.acceptor.failure)
      #expect(failure.code == .peerElsewhere, "PLEXUS_SEED=\(seed)")
      #expect(failure.counters.firstValidStranger?.address == PunchScenario.inviterPublic)
      #expect(failure.counters.validFromStrangers > 10)
      #expect(failure.description.contains("symmetric"))
      #expect(run.inviter.failure?.code == .peerSilent)
    }
  }

  @Test func aPathThatIsBlockedOneWayIsToldFromSilence() throws {
    var scenario = PunchScenario()
    scenario.intercept = { packet, _ in packet.source.address == PunchScenario.acceptorPublic }
    let run = try #require(scenario.run(seed: 1))
    #expect(run.acceptor.failure?.code == .oneWay)
    #expect(run.inviter.failure?.code == .peerSilent)
    #expect((run.acceptor.failure?.counters.probesHeard ?? 0) > 50)
  }

  /// The blackout begins after some datagrams have passed.
  @Test func aBlackoutOfSecondsIsOutlived() async {
    for seed in TestSeeds.schedules(150) {
      await Task.yield()
      var random = SeededGenerator(seed: seed)
      var scenario = PunchScenario(wire: .adverse(random: &random))
      let begin = Instant.zero.advanced(by: random.duration(upTo: .seconds(2)))
      let end = begin.advanced(by: random.duration(upTo: .seconds(5)))
      scenario.intercept = { _, now in begin <= now && now < end }
      #expect(scenario.run(seed: random.next())?.isSound == true, "PLEXUS_SEED=\(seed)")
    }
  }

  private static func resentful(_ unexpected: NATBehaviour.UnexpectedInbound) -> NATBehaviour {
    var behaviour = NATBehaviour.portRestricted
    behaviour.unexpectedInbound = unexpected
    return behaviour
  }
}
