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
    expectSound(SimulationMatrix.passages, schedules: 3)
  }

  @Test func mappingsOutliveAMinutesWait() {
    expectSound(SimulationMatrix.longWaits, schedules: 5)
  }

  private func expectSound(
    _ cells: [MatrixCell], schedules: Int, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let failed = cells.map { $0.run(schedules: schedules) }.filter { !$0.failures.isEmpty }
    #expect(failed.isEmpty, "\(failed.count) cells: \(failed.prefix(20))", sourceLocation: sourceLocation)
  }
}
