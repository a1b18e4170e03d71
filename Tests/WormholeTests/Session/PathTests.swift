import Datagrams
import PlexusTesting
import Testing
import Tubus

@testable import Wormhole

/// Sessions over a tubus connection over a long path, in virtual time.
@Suite struct PathTests {
  @Test func aLongFastPathAlwaysCarriesSomething() async throws {
    for seed in TestSeeds.schedules(2) {
      await Task.yield()
      var random = SeededGenerator(seed: seed)
      var forward = SimulatedLinkConditions(rate: 600e6, delay: .milliseconds(50))
      forward.buffer = [500_000, 2_000_000, 7_500_000].randomElement(using: &random) ?? 500_000
      let tunnel = SimulatedTunnel(
        toExporter: forward, toImporter: forward, configuration: TubusConfiguration(), limits: SessionLimits(),
        seed: random.next())
      #expect(tunnel.run(for: .seconds(5)) { $0.importer.isSettled && $0.exporter.isSettled })
      let control = try tunnel.importer.open()
      let data = try tunnel.importer.open()
      #expect(tunnel.run(for: .seconds(5)) { $0.exporter.sides[data] != nil })
      tunnel.exporter.startSource(data, now: tunnel.now)
      _ = control
      var last = 0
      for second in 1...3 {
        if random.chance(0.2) {
          tunnel.importer.sides[data]?.readRate = 0
          _ = tunnel.run(for: random.duration(upTo: .seconds(2)))
          tunnel.importer.sides[data]?.readRate = 1e9
          last = tunnel.importer.sides[data]?.received ?? 0
        }
        _ = tunnel.run(for: .seconds(1))
        let received = tunnel.importer.sides[data]?.received ?? 0
        print("seed \(seed) second \(second): \((received - last) * 8 / 1_000_000) Mbit/s")
        #expect(received > last, "PLEXUS_SEED=\(seed)")
        last = received
      }
      #expect(tunnel.importer.failure == nil && tunnel.exporter.failure == nil)
    }
  }
}
