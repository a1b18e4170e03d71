import ArgumentParser
import Foundation
import PlexusTesting

struct Recovery: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "How soon traffic flows again after a side was killed or a NAT forgot its mappings. Needs root.",
    discussion: """
      A service that says something every 20 ms is exported by plexus behind one NAT and imported behind another; a client listens, and \
      connects again whenever it is cut off. Killed sides are started again at once.
      """)

  /// What happens to the passage.
  enum Trouble: String, CaseIterable, ExpressibleByArgument {
    case importer = "importer killed"
    case exporter = "exporter killed"
    case oneNAT = "one NAT flushed"
    case bothNATs = "both NATs flushed"
  }

  @Option(help: "How often each trouble is made.") var count = 10
  @Option(help: "The NATs of the exporter and of the importer.") var nat = Lab.NATKind.portRestricted.rawValue

  /// The bar of a person who waits.
  private static let patience = Duration.seconds(30)

  func run() async throws {
    guard Lab.isAvailable else { throw ValidationError(Lab.missingSentence) }
    guard let kind = Lab.NATKind(rawValue: nat) else {
      throw ValidationError("--nat is one of \(Lab.NATKind.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    print("trouble             median s  slowest s  connections cut")
    for trouble in Trouble.allCases {
      var outcome = Outcome()
      try await withLab(sites: [Lab.Site(nat: kind), Lab.Site(nat: kind)]) { lab in
        let exporter = try await PlexusPeer("exporter", on: lab.host(0), in: lab)
        let importer = try await PlexusPeer("importer", on: lab.host(1), in: lab)
        try exporter.befriend(importer)
        try await measure(trouble, lab, Sides(exporter: exporter, importer: importer), &outcome)
      }
      print(outcome.line(trouble.rawValue))
      fflush(nil)
    }
  }

  private func measure(_ trouble: Trouble, _ lab: Lab, _ sides: Sides, _ outcome: inout Outcome) async throws {
    try await sides.withTicking { listener in
      switch trouble {
      case .importer:
        try await sides.withExporter { _ in
          for _ in 0...count {
            let start = Ticking.now()
            try await sides.withImporter { importer in
              outcome.add(try await listener.firstTick(since: start, within: Self.patience), since: start)
              try await settle()
              importer.send(signal: SIGKILL)
              try await importer.waitForExit()
            }
          }
        }
        // The first one did not come back, it came.
        outcome.dropFirst()
      case .exporter:
        try await sides.withImporter { _ in
          for _ in 0...count {
            let start = Ticking.now()
            try await sides.withExporter { exporter in
              outcome.add(try await listener.firstTick(since: start, within: Self.patience), since: start)
              try await settle()
              exporter.send(signal: SIGKILL)
              try await exporter.waitForExit()
            }
          }
        }
        outcome.dropFirst()
      case .oneNAT, .bothNATs:
        try await sides.withExporter { _ in
          try await sides.withImporter { _ in
            _ = try await listener.firstTick(since: 0, within: Self.patience)
            for _ in 0..<count {
              try await settle()
              let cuts = try listener.cuts
              let start = Ticking.now()
              try await lab.nat(1).flush()
              if trouble == .bothNATs { try await lab.nat(0).flush() }
              // Long enough for a tunnel to be given up and made again.
              try await Task.sleep(for: .seconds(12))
              outcome.seconds.append(try listener.longestSilence(since: start))
              outcome.cuts += try listener.cuts - cuts
            }
          }
        }
      }
    }
  }

  /// A passage that stands for a while, at no particular moment of its pings.
  private func settle() async throws { try await Task.sleep(for: .milliseconds(Int.random(in: 2000...4000))) }
}

/// What became of one kind of trouble.
private struct Outcome {
  var seconds: [Double] = []
  var cuts = 0

  mutating func add(_ tick: Int64, since start: Int64) {
    seconds.append(Double(tick - start) / 1e9)
    cuts += 1
  }

  mutating func dropFirst() {
    seconds.removeFirst()
    cuts -= 1
  }

  func line(_ name: String) -> String {
    let sorted = seconds.sorted()
    guard let slowest = sorted.last else { return "\(name): nothing was measured" }
    return name.padding(toLength: 18, withPad: " ", startingAt: 0)
      + String(format: "  %8.2f  %9.2f  %d of %d", sorted[sorted.count / 2], slowest, cuts, sorted.count)
  }
}

/// The two machines and what runs on them.
private struct Sides {
  let exporter: PlexusPeer
  let importer: PlexusPeer

  private static let service = 2600
  private static let port = 2601

  func withTicking(_ body: (Listener) async throws -> Void) async throws {
    try await exporter.host.withProcess(Ticking.program, "ticks", "\(Self.service)") { service in
      try await service.waitForLine(containing: "listening")
      let file = "\(importer.host.directory)/ticks"
      try await importer.host.withProcess(Ticking.program, "listen", "\(Self.port)", file) { _ in
        try await body(Listener(file: file))
      }
    }
  }

  func withExporter(_ body: (Lab.RunningProgram) async throws -> Void) async throws {
    try await exporter.host.withProcess(
      "plexus",
      arguments: exporter.meeting + exporter.stunArguments + ["--accept", "--export", "127.0.0.1:\(Self.service)"]
    ) { try await body($0) }
  }

  func withImporter(_ body: (Lab.RunningProgram) async throws -> Void) async throws {
    try await importer.host.withProcess(
      "plexus",
      arguments: importer.meeting + importer.stunArguments
        + ["--peer-info", exporter.identity, "--import", "127.0.0.1:\(Self.port)"]
    ) { try await body($0) }
  }
}

/// What the listening client wrote down.
private struct Listener {
  /// A line for each tick, with the time of the machine's monotonic clock in nanoseconds; `cut` where the connection ended.
  let file: String

  private func lines() throws -> [Substring] {
    guard FileManager.default.fileExists(atPath: file) else { return [] }
    // The last line may not be whole.
    return try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
      .dropLast()
  }

  private func ticks() throws -> [Int64] { try lines().compactMap { Int64($0) } }

  var cuts: Int { get throws { try lines().count { $0 == "cut" } } }

  func firstTick(since start: Int64, within patience: Duration) async throws -> Int64 {
    let deadline = ContinuousClock.now + patience
    while ContinuousClock.now < deadline {
      if let tick = try ticks().first(where: { $0 > start }) { return tick }
      try await Task.sleep(for: .milliseconds(20))
    }
    throw ValidationError("nothing came through within \(patience)")
  }

  /// The longest time without a tick, in seconds.
  func longestSilence(since start: Int64) throws -> Double {
    let ticks = try ticks()
    let recent = ticks.filter { $0 >= start } + [Ticking.now()]
    let last = ticks.last { $0 < start } ?? start
    return zip([last] + recent, recent).map { Double($1 - $0) / 1e9 }.max() ?? 0
  }
}
