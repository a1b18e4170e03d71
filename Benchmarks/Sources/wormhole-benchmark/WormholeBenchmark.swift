import ArgumentParser

@main
struct WormholeBenchmark: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wormhole-benchmark",
    abstract: "Measures TCP through two wormhole programs on loopback; prints figures and asserts nothing.",
    subcommands: [Throughput.self, Connections.self, SlowClient.self, Paths.self])
}

/// The programs to measure.
struct ProgramOptions: ParsableArguments {
  @Option(help: "The importer's program.") var importer = "../.build/release/wormhole"
  @Option(help: "The exporter's program.") var exporter = "../.build/release/wormhole"
  @Option(help: "First of four UDP and TCP ports to use.") var port = 16_100
}
