import ArgumentParser
import Datagrams
import PlexusTesting
import Tubus

/// The same core in virtual time: many paths in seconds, and CUBIC beside.
struct Simulated: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate", abstract: "Rates over simulated paths: BBR and CUBIC, alone and together.")

  @Option(help: "Seconds of virtual time for each.") var seconds = 30
  @Option(help: "Seed of losses and waits.") var seed: UInt64 = 1

  @Flag(help: "Only flows that share the bottleneck.") var together = false

  func run() async throws {
    if !together { runAlone() }
    runTogether()
  }

  private func runAlone() {
    print("alone, 100 Mbit/s, buffer 500 KB: Mbit/s after the first two seconds")
    print("round trip   loss     bbr   cubic")
    for (rtt, loss) in [(40, 0.0), (40, 0.01), (100, 0.01), (40, 0.03), (40, 0.1), (300, 0.02), (300, 0.1)] {
      let rates = CongestionControl.allCases.map { control -> Double in
        self.rates(of: [control], rtt: rtt, loss: loss, buffer: 500_000)[0]
      }
      print("\(pad("\(rtt) ms", 13))\(pad("\(loss * 100) %", 9))\(pad(megabits(rates[0]), 6))\(megabits(rates[1]))")
    }
  }

  private func runTogether() {
    print("together, 100 Mbit/s, 40 ms: Mbit/s after the first ten seconds")
    print("buffer        flows                    rates")
    for buffer in [125_000, 250_000, 500_000, 1_000_000, 2_000_000] {
      for flows in [[CongestionControl.bbr, .bbr], [.bbr, .cubic], [.cubic, .cubic]] {
        let rates = self.rates(of: flows, rtt: 40, loss: 0, buffer: buffer, from: 10)
        print(
          "\(pad("\(buffer / 1000) KB", 14))\(pad(flows.map(\.rawValue).joined(separator: " "), 25))"
            + rates.map(megabits).joined(separator: "  "))
      }
    }
  }

  private func rates(
    of flows: [CongestionControl], rtt: Int, loss: Double, buffer: Int, from start: Int = 2
  ) -> [Double] {
    var conditions = SimulatedLinkConditions(rate: 100e6, delay: .milliseconds(rtt / 2), loss: loss)
    conditions.buffer = buffer
    let simulation = SimulatedTubus(forward: conditions, seed: seed)
    simulation.verifies = false
    for control in flows {
      var configuration = TubusConfiguration()
      configuration.congestionControl = control
      simulation.connect(configuration, writing: 1 << 33)
    }
    _ = simulation.run(for: .seconds(start))
    let before = simulation.right.map(\.received)
    _ = simulation.run(for: .seconds(seconds))
    return zip(simulation.right, before).map { Double($0.received - $1) * 8 / Double(seconds) }
  }

  private func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(width - text.count, 1))
  }
}
