import Datagrams
import PlexusTesting
import Testing
import Tubus

/// Whole connections over bad wires, in virtual time: every byte arrives once, in order, and both ends learn how it ended.
@Suite struct ScheduleTests {
  @Test(arguments: [0.0, 0.02, 0.1, 0.3]) func everyByteArrivesOnceAndInOrder(loss: Double) async {
    for seed in TestSeeds.schedules(250) {
      await Task.yield()
      play(seed, loss: loss)
    }
  }

  @Test func aBlackHoleOfTwentySecondsIsSurvived() async {
    for seed in TestSeeds.schedules(60) {
      await Task.yield()
      play(seed, loss: 0.02, blackHole: .seconds(20))
    }
  }

  private func play(_ seed: UInt64, loss: Double, blackHole: Duration? = nil) {
    var random = SeededGenerator(seed: seed)
    var conditions = SimulatedLinkConditions(
      rate: random.chance(0.5) ? 1e6 * Double(1 + random.next() % 100) : nil,
      delay: .microseconds(Int(200 + random.next() % 150_000)), loss: loss)
    if random.chance(0.5) { conditions.jitter = .microseconds(Int(random.next() % 20_000)) }
    if random.chance(0.5) { conditions.duplication = 0.1 }
    conditions.buffer = 20_000 + Int(random.next() % 500_000)
    conditions.mtu = [1472, 1472, 1300, 1000, 600][Int(random.next() % 5)]
    var configuration = TubusConfiguration()
    if random.chance(0.5) { configuration.secret = random.next() | 1 }
    if random.chance(0.2) { configuration.congestionControl = .cubic }
    // A small window makes flow control work.
    if random.chance(0.3) { configuration.initialReceiveWindow = 20_000 }
    let simulation = SimulatedTubus(forward: conditions, acceptorConfiguration: configuration, seed: random.next())
    let (written, replied) = (Int(random.next() % 150_000), Int(random.next() % 60_000))
    simulation.connect(configuration, writing: written, reply: replied)
    if let blackHole {
      _ = simulation.run(for: .milliseconds(Int(random.next() % 2000)))
      simulation.forward.conditions.isBlackHole = true
      simulation.backward.conditions.isBlackHole = true
      _ = simulation.run(for: blackHole)
      simulation.forward.conditions.isBlackHole = false
      simulation.backward.conditions.isBlackHole = false
    } else if random.chance(0.3) {
      // The path gets longer on the way.
      _ = simulation.run(for: .milliseconds(300))
      simulation.forward.conditions.delay = simulation.forward.conditions.delay * 3
    }
    let arrived = simulation.run(for: .seconds(1000)) {
      $0.right[0].received == UInt64(written) && $0.left[0].received == UInt64(replied)
    }
    let story: Comment =
      "PLEXUS_SEED=\(seed) wrote \(written) and \(replied), got \(simulation.right[0].received) and \(simulation.left[0].received), \(simulation.left[0].ending.map { "\($0)" } ?? "open"), \(simulation.now)"
    #expect(arrived, story)
    #expect(!simulation.right[0].isCorrupt && !simulation.left[0].isCorrupt, story)
    simulation.act(on: \.left) { connection, now in connection.close(now: now) }
    let ended = simulation.run(for: .seconds(60)) { $0.left[0].ending != nil && $0.right[0].ending != nil }
    #expect(ended && simulation.left[0].ending == .closed && simulation.right[0].ending != .closed, story)
  }
}
