import PlexusTesting
import Testing

/// The cells that `plexus-lab simulate` plays, with few schedules each.
@Suite struct SimulationMatrixTests {
  @Test func explorationsTellTheTruthAsFarAsTheServersCan() {
    expectSound(SimulationMatrix.exactExplorations(), schedules: 1)
  }

  @Test func lossMakesVerdictsStricterOrUnknownAndNeverWrong() {
    expectSound(SimulationMatrix.adverseExplorations, schedules: 1)
  }

  @Test func hostsThatExploreAndExchangeGetAPassageWhereThereCanBeOne() {
    expectSound(SimulationMatrix.passages, schedules: 2)
  }

  @Test func mappingsOutliveAMinutesWait() {
    expectSound(SimulationMatrix.longWaits, schedules: 2)
  }

  /// So the matrix above is no accident.
  @Test func withoutKeepAliveSuchAWaitLosesTheMapping() throws {
    var nat = NATBehaviour.portRestricted
    nat.allocation = .sequential
    var scenario = PassageScenario(acceptor: .open, inviter: Surroundings([nat]))
    scenario.forgetMappings(after: .seconds(30))
    scenario.invitationDelay = .seconds(60)
    #expect(scenario.complaint(seed: 1) == nil)
    scenario.keepsMapping = false
    let run = try #require(scenario.run(seed: 1))
    #expect(run.acceptor.text == "peerElsewhere")
    #expect(run.inviter.text == "peerSilent")
  }

  @Test func theSameSeedGivesTheSameRun() throws {
    var random = SeededGenerator(seed: 7)
    let wire = LinkSettings.adverse(random: &random)
    let scenario = ExplorationScenario(Surroundings([.symmetric, .portRestricted]), wire: wire)
    #expect(try #require(scenario.run(seed: 3)) == #require(scenario.run(seed: 3)))
  }

  /// Matrices would prove nothing if nothing could be wrong.
  @Test func aWrongReportIsComplainedAbout() {
    let tally = MatrixCell("no answer at all") { seed in
      var scenario = ExplorationScenario(Surroundings([.fullCone]))
      scenario.wire.delay = .seconds(1)
      return scenario.complaint(seed: seed)
    }.run(schedules: 2)
    #expect(tally.failures.count == tally.schedules)
    #expect(tally.description.contains("mapping is unknown, not endpointIndependent"))
    #expect(tally.description.contains("PLEXUS_SEED=\(tally.failures[0])"))
  }

  private func expectSound(
    _ cells: [MatrixCell], schedules: Int, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let failed = cells.map { $0.run(schedules: schedules) }.filter { !$0.failures.isEmpty }
    #expect(failed.isEmpty, "\(failed.count) cells: \(failed.prefix(20))", sourceLocation: sourceLocation)
  }
}
