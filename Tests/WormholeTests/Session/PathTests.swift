import Datagrams
import PlexusTesting
import Testing
import Tubus

@testable import Wormhole

/// Sessions over a tubus connection over a long path, in virtual time.
@Suite struct PathTests {
  /// Readers that pause, queues of every length, machines that are busy with something else for a while.
  @Test func aLongFastPathAlwaysCarriesSomething() async throws {
    for seed in TestSeeds.schedules(1) {
      await Task.yield()
      var random = SeededGenerator(seed: seed)
      var link = SimulatedLinkConditions(rate: 40e6, delay: .milliseconds(50))
      link.buffer = [30_000, 150_000, 500_000].randomElement(using: &random) ?? 500_000
      link.loss = [0, 0, 0.0001, 0.01].randomElement(using: &random) ?? 0
      let tunnel = SimulatedTunnel(
        toExporter: link, toImporter: link, configuration: TubusConfiguration(), limits: SessionLimits(),
        seed: random.next())
      #expect(tunnel.run(for: .seconds(5)) { $0.importer.isSettled && $0.exporter.isSettled })
      let data = try tunnel.importer.open()
      #expect(tunnel.run(for: .seconds(5)) { $0.exporter.sides[data] != nil })
      tunnel.exporter.startSource(data, now: tunnel.now)
      for _ in 1...4 {
        await Task.yield()
        Self.disturb(tunnel, data, &random)
        let before = tunnel.importer.sides[data]?.received ?? 0
        // A hundredth of what the path carries is enough: nothing is what must not be.
        #expect(
          tunnel.run(for: .seconds(3)) { ($0.importer.sides[data]?.received ?? 0) > before + 150_000 },
          "PLEXUS_SEED=\(seed)")
        _ = tunnel.run(for: .seconds(1))
      }
      #expect(tunnel.importer.failure == nil && tunnel.exporter.failure == nil, "PLEXUS_SEED=\(seed)")
    }
  }

  /// A machine that is late by some milliseconds each time, as a busy one is.
  @Test func aBusySenderKeepsItsRate() async throws {
    let seed = TestSeeds.schedules(1)[0]
    let link = SimulatedLinkConditions(rate: 20e6, delay: .milliseconds(50))
    let tunnel = SimulatedTunnel(
      toExporter: link, toImporter: link, configuration: TubusConfiguration(), limits: SessionLimits(), seed: seed)
    #expect(tunnel.run(for: .seconds(5)) { $0.importer.isSettled && $0.exporter.isSettled })
    let data = try tunnel.importer.open()
    #expect(tunnel.run(for: .seconds(5)) { $0.exporter.sides[data] != nil })
    tunnel.exporter.startSource(data, now: tunnel.now)
    tunnel.exporter.lateness = .milliseconds(10)
    _ = tunnel.run(for: .seconds(8))
    await Task.yield()
    let before = tunnel.importer.sides[data]?.received ?? 0
    _ = tunnel.run(for: .seconds(4))
    let rate = Double((tunnel.importer.sides[data]?.received ?? 0) - before) * 8 / 4
    #expect(rate > 12e6, "PLEXUS_SEED=\(seed): \(Int(rate / 1e6)) Mbit/s of 20")
  }

  private static func disturb(_ tunnel: SimulatedTunnel, _ stream: UInt32, _ random: inout SeededGenerator) {
    switch Int.random(in: 0..<5, using: &random) {
    case 0:
      tunnel.importer.sides[stream]?.readRate = 0
      _ = tunnel.run(for: random.duration(upTo: .seconds(2)))
      tunnel.importer.sides[stream]?.readRate = 1e9
    case 1: tunnel.importer.pausedUntil = tunnel.now.advanced(by: random.duration(upTo: .seconds(1)))
    case 2: tunnel.exporter.pausedUntil = tunnel.now.advanced(by: random.duration(upTo: .seconds(1)))
    case 3:
      for _ in 0..<20 {
        let end = random.chance(0.5) ? tunnel.importer : tunnel.exporter
        end.pausedUntil = tunnel.now.advanced(by: random.duration(upTo: .milliseconds(150)))
        _ = tunnel.run(for: .milliseconds(100))
      }
    default: break
    }
  }
}
