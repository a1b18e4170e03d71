import ArgumentParser
import Foundation

struct Throughput: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "iperf3 through exporter and importer: in the clear and obscured, one stream and eight.")

  @OptionGroup var programs: ProgramOptions
  @Option(help: "Seconds of each run.") var seconds = 8
  @Option(help: "iperf3's program.") var iperf3 = "/usr/bin/iperf3"

  func validate() throws { try requireProgram(iperf3, "install the package iperf3, or say where it is by --iperf3") }

  func run() async throws {
    print("path          streams  Gbit/s  peak memory")
    for (name, secret) in [("clear", 0), ("obscured", 0x1234_5678_9ABC_DEF1)] as [(String, UInt64)] {
      for streams in [1, 8] {
        let server = try Program(iperf3, ["-s", "-p", "\(programs.port + 2)", "-1"])
        defer { server.end() }
        let wormholes = try Wormholes(programs, service: programs.port + 2, secret: secret)
        defer { wormholes.end() }
        let client = try Program(
          iperf3, ["-c", "127.0.0.1", "-p", "\(wormholes.port)", "-t", "\(seconds)", "-P", "\(streams)", "-J"])
        let rate = try Self.rate(client.result())
        print(
          name.padding(toLength: 14, withPad: " ", startingAt: 0)
            + String(format: "%7d  %6.2f  %@", streams, rate, wormholes.memory))
      }
    }
  }

  private struct Report: Decodable {
    struct End: Decodable {
      struct Sum: Decodable { let bits_per_second: Double }
      let sum_received: Sum?
    }
    let end: End
    let error: String?
  }

  static func rate(_ data: Data) throws -> Double {
    let report = try JSONDecoder().decode(Report.self, from: data)
    if let error = report.error { throw ValidationError("iperf3: \(error)") }
    return (report.end.sum_received?.bits_per_second ?? 0) / 1e9
  }
}
