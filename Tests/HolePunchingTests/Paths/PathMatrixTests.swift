import Datagrams
import HolePunching
import PlexusTesting
import Testing

/// The cells that `plexus-lab paths` prints, and rarer ones, with few schedules each. One after another: they compute all the time, and tests with
/// real sockets run beside them.
@Suite(.serialized) struct PathMatrixTests {
  @Test(arguments: PathMatrix.cells(rarer: true))
  func aPathIsFoundWhereThereIsOne(_ cell: PathMatrix.Cell) async { await play(cell) }

  @Test(arguments: PathMatrix.cells(rarer: true, wires: .bad))
  func aTenthLostAnd300MillisecondsKeepNobodyApart(_ cell: PathMatrix.Cell) async { await play(cell) }

  private func play(_ cell: PathMatrix.Cell) async {
    var tally = PathTally(cell)
    // Searches for ports take a thousand times the datagrams.
    for seed in TestSeeds.schedules(cell.expectation == .certain ? 3 : 1) {
      await Task.yield()
      tally.play(seed)
    }
    if cell.arrangement == .apart { await comparePrediction(of: cell, with: &tally) }
    #expect(tally.complaints.isEmpty, "\(tally.sentence)")
    #expect(cell.expectation != .certain || tally.successes == tally.schedules, "\(tally.sentence)")
    #expect(cell.expectation != .impossible || tally.successes == 0, "\(tally.sentence)")
    #expect(tally.peakPerSecond <= 200)
    if cell.wires == .good, cell.expectation == .certain {
      #expect(tally.longest ?? .zero < .milliseconds(1500), "\(tally.sentence)")
    }
  }

  /// What `plexus doctor` says before two such hosts meet is what comes of them.
  private func comparePrediction(of cell: PathMatrix.Cell, with tally: inout PathTally) async {
    let prediction = PathPrediction(own: cell.inviter.traits, peer: cell.acceptor.traits)
    #expect(prediction.way == PathPrediction(own: cell.acceptor.traits, peer: cell.inviter.traits).way)
    #expect((prediction.way == .none) == (cell.expectation == .impossible), "\(cell): \(prediction.way)")
    // One of twenty likely ones may fail, but not three in a row.
    for seed in TestSeeds.schedules(3) where cell.expectation == .likely && tally.successes == 0 {
      await Task.yield()
      tally.play(seed)
    }
    #expect(cell.expectation != .likely || tally.successes > 0, "\(tally.sentence)")
    if cell.wires == .good, cell.expectation == .certain, let longest = tally.longest {
      #expect(longest < (prediction.longestTime ?? .zero), "\(tally.sentence)")
    }
  }

  @Test(arguments: [
    ("port-restricted", "symmetric, random"), ("symmetric, random", "port-restricted"),
    ("symmetric, sequential", "symmetric, sequential"),
  ])
  func aPortIsFoundSoonInNineteenOfTwenty(_ acceptor: String, _ inviter: String) async throws {
    let cell = try #require(PathMatrix.cells().first { $0.description == "\(acceptor) x \(inviter)" })
    var tally = PathTally(cell)
    for seed in TestSeeds.schedules(40) {
      await Task.yield()
      tally.play(seed)
    }
    #expect(tally.isRight, "\(tally.sentence)")
    #expect(tally.median ?? .seconds(99) < .seconds(5))
  }

  @Test func bothSidesAgreeThoughAThirdIsLost() async {
    var tally = ScheduleTally("a third lost")
    for seed in TestSeeds.schedules(200) {
      await Task.yield()
      var random = SeededGenerator(seed: seed)
      var scenario = PathScenario(
        acceptor: PathSide(Surroundings([.portRestricted])), inviter: PathSide(Surroundings([.portRestricted])))
      scenario.wire = LinkSettings(
        loss: 0.33, delay: .milliseconds(20), jitter: .milliseconds(30), duplication: 0.1, reordering: 0.1)
      scenario.answerDelay = random.duration(upTo: .seconds(3))
      let run = scenario.run(seed: random.next())
      // Twenty datagrams each way cannot all be lost.
      tally.add(
        run.succeeded ? nil : "\(String(describing: run.acceptor)) and \(String(describing: run.inviter))", seed: seed)
    }
    #expect(tally.failures.isEmpty, "\(tally)")
  }

  @Test func thePathWithinTheNetworkWinsOverTheOneOutside() throws {
    var nat = NATBehaviour.portRestricted
    nat.hairpins = true
    var scenario = PathScenario(acceptor: PathSide(Surroundings([nat])), inviter: PathSide(Surroundings([nat])))
    scenario.arrangement = .sameLAN
    let run = scenario.run(seed: 1)
    #expect(run.succeeded)
    #expect(try run.inviter?.get().peer.address.description == "10.0.0.2")
    #expect(try run.acceptor?.get().words == "within one network")
  }

  @Test func twoRandomNATsAreToldSoSoon() throws {
    let side = PathSide(Surroundings([.symmetric]))
    let run = PathScenario(acceptor: side, inviter: side).run(seed: 1)
    #expect(run.duration < .seconds(6))
    #expect(run.datagrams < 100)
    let failure = #expect(throws: PathFailure.self) { try run.inviter?.get() }
    #expect(failure?.code == .bothSymmetric)
    #expect(failure.map { $0.duration < .seconds(3.1) } == true)
    #expect(failure?.description.contains("both NATs are symmetric") == true)
  }

  @Test func aPeerThatIsNotThereCostsABoundedNumberOfDatagrams() throws {
    var scenario = PathScenario(
      acceptor: PathSide(Surroundings([.portRestricted])), inviter: PathSide(Surroundings([.symmetric])))
    scenario.answerDelay = .seconds(90)
    let run = scenario.run(seed: 1)
    let failure = #expect(throws: PathFailure.self) { try run.acceptor?.get() }
    #expect(failure?.code == .portNotFound)
    #expect(failure.map { $0.counters.guesses <= 2400 && $0.counters.sent < 3000 } == true)
    #expect(failure?.description.contains("datagrams") == true)
  }

  @Test func withoutATurnOnlyOrdinaryChecksAreSent() throws {
    var scenario = PathScenario(
      acceptor: PathSide(Surroundings([.portRestricted])), inviter: PathSide(Surroundings([.symmetric])))
    scenario.configuration.maximumAssistance = 0
    let run = scenario.run(seed: 1)
    let failure = #expect(throws: PathFailure.self) { try run.inviter?.get() }
    #expect(failure?.code == .notInTurn)
    #expect(run.datagrams < 1000)
  }
}
