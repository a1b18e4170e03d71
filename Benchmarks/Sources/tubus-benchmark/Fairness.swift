import ArgumentParser
import PlexusTesting

/// Streams that share a bottleneck.
struct Fairness: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Two streams, and a stream beside TCP CUBIC, over one bottleneck of 100 Mbit/s. Needs root.")

  @Option(help: "Seconds for each.") var seconds = 30
  @Option(help: "The bottleneck's buffer, bytes; its default is a product of rate and round trip.") var buffer: Int?

  func run() async throws {
    guard EmulatedPath.isAvailable else { throw ValidationError(EmulatedPath.missingSentence) }
    let conditions = PathConditions(rate: 100_000_000, rtt: .milliseconds(40), buffer: buffer)
    let two = try await withPath(conditions) { path in
      async let first = stream(path, port: 7001)
      async let second = stream(path, port: 7002)
      return try await (first, second)
    }
    print("two streams: \(two.0) and \(two.1) Mbit/s")
    let beside = try await withPath(conditions) { path in
      async let tubus = stream(path, port: 7001)
      async let tcp = Paths.measureTCP(path, control: "cubic", seconds: seconds)
      return try await (tubus, tcp)
    }
    print("a stream and TCP CUBIC: \(beside.0) and \(beside.1) Mbit/s")
  }

  private func stream(_ path: EmulatedPath, port: Int) async throws -> String {
    let program = CommandLine.arguments[0]
    return try await path.right.withProcess(
      program, "receive", "--listen", "\(path.right.address):\(port)", "--seconds", "\(seconds)"
    ) { receiver in
      try await receiver.waitForLine(containing: "listening")
      return try await path.left.withProcess(
        program, "send", "--to", "\(path.right.address):\(port)", "--seconds", "\(seconds + 1)"
      ) { _ in
        let mean = try await receiver.waitForLine(containing: "mean", deadline: .seconds(seconds + 20))
        return mean.split(separator: " ").dropFirst().first.map(String.init) ?? mean
      }
    }
  }
}
