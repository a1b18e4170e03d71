import FoundationEssentials
import PlexusTesting

extension PassageBenchmark {
  /// The table of `plexus explore`: every NAT kind against each set of servers.
  func runExplore(samples: Int) async throws {
    say("plexus explore, seconds from the start of the process to its end; median and slowest of \(samples).\n")
    say("| servers | NAT | median | slowest | NAT seen | mapping | filtering | punching | sure |")
    say("|---|---|---|---|---|---|---|---|---|")
    for servers in ExplorationServers.allCases {
      for kind in Lab.NATKind.allCases {
        let seen = try await explore(servers, behind: kind, samples: samples)
        let cells = [text(seen.median), text(seen.seconds.max() ?? 0)] + seen.cells
        say("| \(servers.rawValue) | \(kind) | \(cells.joined(separator: " | ")) |")
      }
    }
  }

  /// Explores again and again; a NAT's table is emptied in between, so that each run meets it fresh.
  private func explore(
    _ servers: ExplorationServers, behind kind: Lab.NATKind, samples: Int
  ) async throws -> Explorations {
    try await withLab(sites: [Lab.Site(nat: kind)]) { lab in
      var all = Explorations()
      for _ in 0..<max(samples, 1) {
        try await lab.nat(0).flush()
        let start = ContinuousClock.now
        let result = try await lab.host(0).run(
          "plexus", "explore", "--json", "--stun-server", servers.names(in: lab).joined(separator: ","))
        all.seconds.append(start.duration(to: .now) / .seconds(1))
        guard result.exit == .exited(servers == .silent ? 69 : 0) else {
          throw BenchmarkError(
            "plexus explore behind \(kind) ended with \(result.exit): \(result.errors)\(result.output)")
        }
        let cells = try JSONDecoder().decode(SeenNetwork.self, from: Data(result.output.utf8)).cells
        guard all.cells.isEmpty || all.cells == cells else {
          throw BenchmarkError("plexus explore behind \(kind) saw \(all.cells) first and \(cells) later")
        }
        all.cells = cells
      }
      return all
    }
  }
}

/// Which servers are asked.
private enum ExplorationServers: String, CaseIterable {
  case silent
  case plain = "one plain"
  case twoPlain = "two plain"
  case behaviour = "RFC 5780"
  case behaviourAndSilent = "RFC 5780 and silent"

  func names(in lab: Lab) -> [String] {
    switch self {
    case .silent: [lab.deadServer]
    case .plain: Array(lab.plainSTUNServers.prefix(1))
    case .twoPlain: lab.plainSTUNServers
    case .behaviour: [lab.stunServer]
    case .behaviourAndSilent: [lab.stunServer, lab.deadServer]
    }
  }
}

/// The runs of one cell, which all must see the same.
private struct Explorations {
  var seconds: [Double] = []
  var cells: [String] = []

  var median: Double { seconds.isEmpty ? 0 : seconds.sorted()[seconds.count / 2] }
}

/// What `--json` says, as far as the table shows it.
private struct SeenNetwork: Decodable {
  struct Finding: Decodable { var report: Report? }
  struct Report: Decodable {
    var translated: Bool?
    var mapping, filtering: String
  }
  var prospect, confidence: String
  var ipv4: Finding

  var cells: [String] {
    let translated = ipv4.report?.translated.map { $0 ? "yes" : "no" } ?? "unknown"
    return [translated, ipv4.report?.mapping ?? "unknown", ipv4.report?.filtering ?? "unknown", prospect, confidence]
  }
}
