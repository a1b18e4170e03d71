import ArgumentParser
import Foundation
import PlexusTesting

struct Paths: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "iperf3 through exporter and importer over long and lossy paths, in network namespaces. Needs root.")

  @OptionGroup var programs: ProgramOptions
  @Option(help: "Seconds of each run, the first three not counted.") var seconds = 12
  @Option(help: "Streams at once.") var streams = 1
  @Flag(help: "From the exporter's side to the importer's.") var reverse = false
  @Option(help: "How often each path is measured, with new programs each time.") var `repeat` = 1
  @Option(help: "Only the path with this number, 1 to 3.") var only: Int?
  @Option(help: "Where the exporter's and the importer's logs go, with what the tunnel does each second.")
  var log: String?

  func validate() throws {
    guard Lab.findProgram("iperf3") != nil else { throw ValidationError("install the package iperf3") }
    guard only.map({ (1...3).contains($0) }) ?? true else { throw ValidationError("--only is 1, 2 or 3") }
  }

  func run() async throws {
    guard EmulatedPath.isAvailable else { throw ValidationError(EmulatedPath.missingSentence) }
    let cases = [
      ("40 ms, 100 Mbit/s, 1 % loss", PathConditions(rate: 100_000_000, rtt: .milliseconds(40), loss: 0.01)),
      ("100 ms, 100 Mbit/s, 1 % loss", PathConditions(rate: 100_000_000, rtt: .milliseconds(100), loss: 0.01)),
      ("100 ms, 600 Mbit/s, no loss", PathConditions(rate: 600_000_000, rtt: .milliseconds(100))),
    ]
    for (number, (name, conditions)) in cases.enumerated() where only ?? number + 1 == number + 1 {
      for _ in 0..<self.repeat {
        let rate = try await withPath(conditions) { try await measure($0) }
        print("\(name.padding(toLength: 30, withPad: " ", startingAt: 0)) \(String(format: "%.1f", rate)) Mbit/s")
        fflush(nil)
      }
    }
  }

  private func measure(_ path: EmulatedPath) async throws -> Double {
    let (left, right) = ("\(path.left.address):7001", "\(path.right.address):7002")
    return try await path.right.withProcess("iperf3", "-s", "-p", "7003", "--forceflush") { server in
      try await server.waitForLine(containing: "Server listening")
      return try await path.right.withProcess(
        absolute(programs.exporter),
        arguments: ["--purpose=export", "--service=127.0.0.1:7003", "--gateway=\(right)", "--faraway=\(left)"]
          + logging("exporter")
      ) { _ in
        try await path.left.withProcess(
          absolute(programs.importer),
          arguments: ["--purpose=import", "--service=127.0.0.1:7004", "--gateway=\(left)", "--faraway=\(right)"]
            + logging("importer")
        ) { importer in
          try await importer.waitForLine(containing: "is up")
          try await Task.sleep(for: .seconds(1))
          let arguments = ["-c", "127.0.0.1", "-p", "7004", "-t", "\(seconds)", "-O", "3", "-P", "\(streams)", "-J"]
          let result = try await path.left.run(
            "iperf3", arguments: arguments + (reverse ? ["-R"] : []), deadline: .seconds(seconds + 30))
          return try Throughput.rate(Data(result.output.utf8)) * 1000
        }
      }
    }
  }

  private func logging(_ end: String) -> [String] {
    log.map { ["--log-level=trace", "--log-file=\(absolute("\($0)-\(end)"))"] } ?? []
  }

  private func absolute(_ program: String) -> String { URL(fileURLWithPath: program).standardizedFileURL.path }
}
