import ArgumentParser
import Foundation
import PlexusTesting
import Testing
import Tubus
import Wormhole

@testable import CLISupport
@testable import WormholeCLI

/// The program itself, as a user meets it.
@Suite(.timeLimit(.minutes(2))) struct CommandLineTests {
  private static let ends = ["--gateway=127.0.0.1:0", "--faraway=127.0.0.1:9"]
  private static let exporting = ["--purpose=export", "--service=127.0.0.1:22"]

  @Test func helpAndVersionAreNoErrors() throws {
    let help = try wormhole(["--help"])
    #expect(help.status == 0 && help.errors.isEmpty)
    for option in [
      "--purpose", "--service", "--gateway", "--faraway", "--obscure", "--retry", "--status", "--log-file",
    ] {
      #expect(help.output.contains(option))
    }
    #expect(try wormhole(["--version"]).output.hasPrefix("wormhole 0."))
  }

  @Test(
    arguments: [
      ([], 64, "--purpose"), (["--no-such-option"], 64, "--no-such-option"),
      (["--purpose=both"] + ends, 64, "both"), (["--purpose=export"] + ends, 64, "--service"),
      (["--purpose", "export", "--service", "nonsense"] + ends, 64, "nonsense"), (exporting, 64, "--gateway"),
      (exporting + ["--service=127.0.0.1:23"] + ends, 64, "without a name"),
      (exporting + ["--gateway=1.2.3.4"], 64, "--gateway"), (exporting + ["--gateway=127.0.0.1:0"], 64, "--faraway"),
      (exporting + ["--gateway=127.0.0.1:0", "--faraway=[::1]:9"], 64, "IPv6"),
      (exporting + ends + ["--obscure=secret"], 64, "--obscure"), (exporting + ends + ["--log-level=loud"], 64, "loud"),
      (exporting + ends + ["--log-file=/no/such/folder/log"], 73, "/no/such/folder/log"),
      (exporting + ["--gateway=192.0.2.1:9", "--faraway=127.0.0.1:9"], 71, "192.0.2.1"),
      (["--purpose=import", "--service=192.0.2.1:2222"] + ends, 71, "192.0.2.1"),
    ] as [([String], Int32, String)])
  func aFailureIsOneLineThatNamesItsCause(arguments: [String], status: Int32, cause: String) throws {
    let result = try wormhole(arguments)
    #expect(result.status == status, "\(result.errors)")
    #expect(result.errors.hasPrefix("wormhole: ") && result.errors.contains(cause), "\(result.errors)")
    #expect(result.errors.filter { $0 == "\n" }.count == 1 && result.output.isEmpty, "\(result.errors)")
  }

  /// An importer that goes on for ever looks for a far end that was started again after seconds. Nobody else is hasty: without --retry a
  /// break ends the run, and an exporter hears a C++ importer every 30 s only.
  @Test func onlyARetryingImporterIsHasty() throws {
    func settings(_ purpose: String, _ more: [String]) throws -> Settings {
      try Settings(
        WormholeOptions.parse(
          ["--purpose=\(purpose)", "--service=127.0.0.1:22", "--gateway=127.0.0.1:0", "--faraway=127.0.0.1:9"] + more))
    }
    let hasty = try settings("import", ["--retry", "--obscure=5"]).tubusConfiguration(for: .connecting)
    #expect(hasty.silenceTimeout == .seconds(12) && hasty.linkTimeout == .seconds(10) && hasty.secret == 5)
    #expect(hasty.keepaliveInterval <= hasty.silenceTimeout / 4)
    for patient in [
      try settings("import", []).tubusConfiguration(for: .connecting),
      try settings("export", ["--retry"]).tubusConfiguration(for: .accepting),
    ] {
      #expect(patient.silenceTimeout > .seconds(30) && patient.linkTimeout == .seconds(30))
    }
  }

  @Test func amountsHaveThreeDigits() {
    #expect(StatusDisplay.amount(0, "B") == "0 B" && StatusDisplay.amount(999, "B") == "999 B")
    #expect(StatusDisplay.amount(1000, "B") == "1.00 kB" && StatusDisplay.amount(12_345_678, "bit/s") == "12.3 Mbit/s")
    #expect(StatusDisplay.amount(123_456_789_012, "B") == "123 GB")
  }

  private func wormhole(_ arguments: [String]) throws -> (status: Int32, output: String, errors: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try #require(Lab.findProgram("wormhole")))
    process.arguments = arguments
    let (output, errors) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = errors
    process.standardInput = FileHandle.nullDevice
    try process.run()
    // Their help and sentences fit into a pipe.
    process.waitUntilExit()
    return (
      process.terminationStatus, String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self),
      String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    )
  }
}
