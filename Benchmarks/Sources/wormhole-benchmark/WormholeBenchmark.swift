import ArgumentParser
import Foundation

@main
struct WormholeBenchmark: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wormhole-benchmark",
    abstract: "Measures services through wormhole and plexus; prints figures and asserts nothing.",
    subcommands: [
      Throughput.self, Connections.self, SlowClient.self, Paths.self, Recovery.self, Ticks.self, Listen.self,
    ])
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

  /// Before anything is started that would wait for what is missing.
  func validate() throws {
    for program in [importer, exporter] { try requireProgram(program, "build it with swift build -c release") }
  }
}

/// - Throws: `ValidationError` where there is no such program.
func requireProgram(_ path: String, _ advice: String) throws {
  guard FileManager.default.isExecutableFile(atPath: path) else {
    throw ValidationError("there is no program \(path); \(advice)")
  }
}
