import ArgumentParser
import Foundation

@main
struct WormholeBenchmark: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wormhole-benchmark",
    abstract: "Measures TCP through two wormhole programs on loopback; prints figures and asserts nothing.",
    subcommands: [Throughput.self, Connections.self, SlowClient.self, Paths.self])
}

/// The programs to measure.
struct ProgramOptions: ParsableArguments {
  /// Where `scripts/benchmark` has it built, otherwise as seen from `Benchmarks`.
  private static var built: String {
    (ProcessInfo.processInfo.environment["PLEXUS_BIN_DIR"] ?? "../.build/release") + "/wormhole"
  }

  @Option(help: "The importer's program.") var importer = Self.built
  @Option(help: "The exporter's program.") var exporter = Self.built
  @Option(help: "First of four UDP and TCP ports to use.") var port = 16_100
}
