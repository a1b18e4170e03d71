import Datagrams
import PlexusTesting
import Testing

@testable import HolePunching

@Suite struct PortAllocationTests {
  private func allocation(_ mapped: [UInt16]) -> PortAllocation {
    PortAllocation(mapped.enumerated().map { PortAllocation.Sample(local: 50_000 + UInt16($0), mapped: $1) })
  }

  @Test func rulesAreSeen() {
    #expect(allocation([50_000, 50_001, 50_002]) == .preserving)
    #expect(allocation([20_000, 20_001, 20_002, 20_003]) == .sequential(step: 1))
    #expect(allocation([20_000, 19_998, 19_996, 19_994]) == .sequential(step: -2))
    // A stranger took one, and an answer was lost.
    #expect(allocation([20_000, 20_002, 20_006, 20_008, 20_010]) == .sequential(step: 2))
    #expect(allocation([20_000, 41_000, 3_000, 60_001, 7_777, 30_000]) == .random)
    #expect(allocation([20_000, 20_001]) == .unknown)
    #expect(allocation([]) == .unknown)
  }

  @Test func chanceIsNoRule() {
    var tally = ScheduleTally("random ports taken for a rule")
    for seed in TestSeeds.schedules(2000) {
      var random = SeededGenerator(seed: seed)
      tally.add(
        allocation((0..<6).map { _ in UInt16.random(in: 1024...65_535, using: &random) }) == .random, seed: seed)
    }
    #expect(tally.failures.isEmpty, "\(tally)")
  }

  @Test func withoutARuleNoPortComesTwice() {
    var guesses = PortGuesses(NATTraits(allocation: .random, sampledPorts: [1, 60_000, 30_000, 2, 9, 7]), start: 17)
    let ports = (0..<64_512).map { _ in guesses.next() }
    #expect(Set(ports).count == 64_512)
    #expect(ports.min() == 1024)
  }

  @Test func aRunAheadIsMetHoweverFarTheCounterHasMoved() {
    for moved in stride(from: 0, to: 2400, by: 7) {
      for step in [1, 2, -1, -3] {
        var guesses = PortGuesses(
          NATTraits(allocation: .sequential(step: step), sampledPorts: [40_000]), start: 5)
        let open = Set((1...64).map { PortGuesses.port(40_000, step: step, steps: moved + $0) })
        let first = (0..<1000).first { _ in open.contains(guesses.next()) }
        #expect((first ?? 1000) <= (moved < 150 ? 22 : 420), "\(moved) ports on, step \(step)")
      }
    }
  }

  @Test func aBlockOfPortsIsSearchedFirst() {
    var guesses = PortGuesses(
      NATTraits(allocation: .random, sampledPorts: [40_100, 40_700, 40_300, 40_511, 40_020, 40_999]), start: 5)
    let ports = (0..<400).map { _ in guesses.next() }
    #expect(ports.filter { (39_000...42_000).contains($0) }.count >= 300)
  }

  @Test func portsWrapAround() {
    #expect(PortGuesses.port(65_535, step: 1, steps: 1) == 1024)
    #expect(PortGuesses.port(1024, step: -1, steps: 1) == 65_535)
    #expect(PortGuesses.port(0, step: -64, steps: 100_000) >= 1024)
  }
}
