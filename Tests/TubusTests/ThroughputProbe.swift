import Datagrams
import PlexusTesting
import Testing
import Tubus

@Suite struct Probe {
  @Test(arguments: [(100, 0.01), (300, 0.1), (40, 0.05), (100, 0.2)]) func rates(rtt: Int, loss: Double) {
    for control in [CongestionControl.bbr] {
      var configuration = TubusConfiguration()
      configuration.congestionControl = control
      let simulation = SimulatedTubus(
        forward: SimulatedLinkConditions(rate: 100e6, delay: .milliseconds(rtt / 2), loss: loss),
        acceptorConfiguration: configuration, seed: 7)
      simulation.verifies = false
      simulation.connect(configuration, writing: 1 << 30)
      var last: UInt64 = 0
      var line = ""
      for _ in 0..<10 {
        _ = simulation.run(for: .seconds(1))
        let got = simulation.right[0].received
        line += " \((got - last) * 8 / 1_000_000)"
        last = got
      }
      print(control, rtt, loss, line, simulation.left[0].connection!.statistics)
    }
  }
}
