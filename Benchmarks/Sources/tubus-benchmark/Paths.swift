import ArgumentParser
import PlexusTesting

/// One stream over emulated paths, between two processes in network namespaces.
struct Paths: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "One stream over long and lossy paths, beside the reference's figures. Needs root.")

  @Option(help: "Seconds for each.") var seconds = 10
  @Option(help: "Congestion controls, with commas between.") var congestion = "bbr,cubic"
  @Flag(help: "Kernel TCP over the same paths, too, by iperf3.") var tcp = false

  private struct Case {
    let name: String
    let conditions: PathConditions
    let reference: String
  }

  func run() async throws {
    guard EmulatedPath.isAvailable else { throw ValidationError(EmulatedPath.missingSentence) }
    let cases = [
      Case(
        name: "40 ms, 100 Mbit/s, 1 % loss",
        conditions: PathConditions(rate: 100_000_000, rtt: .milliseconds(40), loss: 0.01),
        reference: "12"),
      Case(
        name: "100 ms, 100 Mbit/s, 1 % loss",
        conditions: PathConditions(rate: 100_000_000, rtt: .milliseconds(100), loss: 0.01), reference: "4.5"),
      Case(name: "40 ms, no limit, no loss", conditions: PathConditions(rtt: .milliseconds(40)), reference: "12"),
    ]
    print("path                           control   Mbit/s   reference")
    for measured in cases {
      for control in congestion.split(separator: ",").map(String.init) {
        let rate = try await withPath(measured.conditions) { path in
          try await Self.measure(path, control: control, seconds: seconds)
        }
        row(measured, control, rate)
      }
      guard tcp else { continue }
      for control in ["cubic", "bbr"] {
        let rate = try await withPath(measured.conditions) { path in
          try await Self.measureTCP(path, control: control, seconds: seconds)
        }
        row(measured, "tcp \(control)", rate)
      }
    }
  }

  private func row(_ measured: Case, _ control: String, _ rate: String) {
    func pad(_ text: String, _ width: Int) -> String {
      text + String(repeating: " ", count: max(width - text.count, 1))
    }
    print(pad(measured.name, 31) + pad(control, 10) + pad(rate, 9) + measured.reference)
  }

  static func measure(_ path: EmulatedPath, control: String, seconds: Int) async throws -> String {
    let program = CommandLine.arguments[0]
    return try await path.right.withProcess(
      program, "receive", "--listen", "\(path.right.address):7000", "--seconds", "\(seconds)"
    ) { receiver in
      try await receiver.waitForLine(containing: "listening")
      return try await path.left.withProcess(
        program, "send", "--to", "\(path.right.address):7000", "--congestion", control, "--seconds", "\(seconds + 1)"
      ) { _ in
        let mean = try await receiver.waitForLine(containing: "mean", deadline: .seconds(seconds + 20))
        return mean.split(separator: " ").dropFirst().first.map(String.init) ?? mean
      }
    }
  }

  static func measureTCP(_ path: EmulatedPath, control: String, seconds: Int) async throws -> String {
    try await path.right.withProcess("iperf3", "-s", "--forceflush") { server in
      try await server.waitForLine(containing: "Server listening")
      let result = try await path.left.run(
        "iperf3", "-c", path.right.address, "-C", control, "-t", "\(seconds)", "-O", "1", "-f", "m",
        deadline: .seconds(seconds + 20))
      let line = result.output.split(separator: "\n").last { $0.contains("receiver") }
      let words = line?.split(separator: " ") ?? []
      return words.firstIndex(of: "Mbits/sec").map { String(words[$0 - 1]) } ?? "failed"
    }
  }
}
