import ArgumentParser

@main
struct TubusBenchmark: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tubus-benchmark",
    abstract: "Measures tubus streams; prints figures and asserts nothing.",
    subcommands: [
      Loopback.self, Paths.self, Fairness.self, Idle.self, Latency.self, Simulated.self, Send.self, Receive.self,
    ])
}
