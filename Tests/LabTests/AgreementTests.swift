import FoundationEssentials
import PlexusTesting
import STUN
import Testing

extension LabTests {
  /// The same cores come to the same end behind the kernel's NATs and the simulator's, cell by cell.
  @Suite(.enabled(if: Lab.isAvailable, "\(Lab.missingSentence)")) struct Agreement {
    /// What a report says, in the words of its JSON.
    private struct Verdict: Hashable, Decodable {
      let translated: Bool?
      let mapping: String
      let filtering: String
      let portPreserved: Bool?
      let addressVaries: Bool?
      let hairpins: Bool?
    }

    @Test func explorationsSayTheSameInTheKernelAndInTheSimulator() async throws {
      let kinds = Lab.NATKind.allCases
      try await withLab(sites: kinds.map { Lab.Site(nat: $0) }) { lab in
        for (set, servers) in Self.servers(of: lab) { try await Self.compare(kinds, in: lab, asking: set, at: servers) }
      }
    }

    @Test func explorationsOfOurTwoPortServerSayTheSameInTheKernelAndInTheSimulator() async throws {
      let kinds = Lab.NATKind.allCases
      try await withLab(sites: kinds.map { Lab.Site(nat: $0) }, servers: false) { lab in
        let address = lab.serverAddresses[0]
        try await lab.server.withProcess("plexus", "serve", "--address", address) { server in
          // It is bound before it says so.
          try await server.waitForLine(containing: "--dht-bootstrap")
          try await Self.compare(kinds, in: lab, asking: .twoPorts, at: ["\(address):3478"])
        }
      }
    }

    /// Explores behind all sites' NATs, and expects what the simulator says of each kind.
    private static func compare(
      _ kinds: [Lab.NATKind], in lab: Lab, asking set: STUNServerSet, at servers: [String]
    ) async throws {
      let found = try await inParallel(kinds.indices) { site in
        try await probe(Verdict.self, on: lab.host(site), ["explore"] + servers)
      }
      for (kind, verdict) in zip(kinds, found) {
        let scenario = ExplorationScenario(kind.surroundings, servers: set)
        let report = try #require(scenario.run(seed: 1))
        let simulated = try JSONDecoder().decode(Verdict.self, from: JSONEncoder().encode(report))
        #expect(verdict == simulated, "\(kind), asking \(set.rawValue)")
      }
    }

    private struct Mapped: Decodable { let `public`: String }
    private struct Outcome: Decodable { let outcome: String }
    private typealias Ends = (acceptor: String, inviter: String)

    @Test func punchesEndTheSameInTheKernelAndInTheSimulator() async throws {
      let kinds = Lab.NATKind.allCases
      let pairs = kinds.indices.flatMap { acceptor in kinds.indices.map { (acceptor, $0) } }
      // The acceptors' sites, then the inviters'. All pairs at once, each on ports of its own, as a third of them wait
      // in vain.
      let found = try await withLab(sites: (kinds + kinds).map { Lab.Site(nat: $0) }) { lab in
        try await Self.inParallel(pairs.indices) { index in
          let (acceptor, inviter) = pairs[index]
          return try await Self.punch(
            lab, acceptor: lab.host(acceptor), inviter: lab.host(kinds.count + inviter), port: 5000 + index)
        }
      }
      for ((acceptor, inviter), ends) in zip(pairs, found) {
        let (acceptor, inviter) = (kinds[acceptor], kinds[inviter])
        var scenario = PassageScenario(acceptor: acceptor.surroundings, inviter: inviter.surroundings)
        scenario.stopsAtSymmetricNAT = false
        scenario.hops = 0
        scenario.punching.timeout = .seconds(Self.patience)
        let run = try #require(scenario.run(seed: 1))
        #expect(ends.acceptor == run.acceptor.text, "acceptor \(acceptor), inviter \(inviter)")
        #expect(ends.inviter == run.inviter.text, "acceptor \(acceptor), inviter \(inviter)")
      }
    }

    /// Seconds that a side punches; the other one's program may be slow to start when fifty do at once.
    private static let patience = 8

    private static func punch(
      _ lab: Lab, acceptor: Lab.Host, inviter: Lab.Host, port: Int
    ) async throws -> Ends {
      let sides = [(acceptor, "accepting"), (inviter, "inviting")]
      let seen = try await inParallel(sides.indices) { index in
        let host = sides[index].0
        return try await probe(
          Mapped.self, on: host, ["map", "--local", "\(host.address):\(port)"] + lab.plainSTUNServers
        ).public
      }
      let ends = try await inParallel(sides.indices) { index in
        let (host, role) = sides[index]
        return try await probe(
          Outcome.self, on: host,
          [
            "punch", "--local", "\(host.address):\(port)", "--peer", seen[1 - index], "--role", role,
            "--secret", "81985529216486895", "--timeout", "\(patience)",
          ]
        ).outcome
      }
      return (ends[0], ends[1])
    }

    private static func servers(of lab: Lab) -> [(STUNServerSet, [String])] {
      STUNServerSet.allCases.compactMap { set in
        switch set {
        case .twoAddresses: (set, [lab.stunServer])
        case .deadAndTwoAddresses: (set, [lab.deadServer, lab.stunServer])
        case .plain: (set, [lab.plainSTUNServers[0]])
        case .twoPlain: (set, lab.plainSTUNServers)
        case .deadAndTwoPlain: (set, [lab.deadServer] + lab.plainSTUNServers)
        // None of the lab's own servers is one.
        case .twoPorts: nil
        }
      }
    }

    /// Runs `plexus-lab probe` on a host and reads what it prints.
    private static func probe<Value: Decodable>(
      _ type: Value.Type, on host: Lab.Host, _ arguments: [String]
    ) async throws -> Value {
      let result = try await host.run("plexus-lab", arguments: ["probe"] + arguments, deadline: .seconds(60))
      try #require(result.exit == .exited(0), "\(host.namespace): \(result.errors)")
      return try JSONDecoder().decode(type, from: Data(result.output.utf8))
    }

    /// What `body` gives for each index, in their order.
    private static func inParallel<Value: Sendable>(
      _ indices: Range<Int>, _ body: @escaping @Sendable (Int) async throws -> Value
    ) async throws -> [Value] {
      try await withThrowingTaskGroup(of: (Int, Value).self) { group in
        for index in indices { group.addTask { (index, try await body(index)) } }
        return try await group.reduce(into: []) { $0.append($1) }.sorted { $0.0 < $1.0 }.map(\.1)
      }
    }
  }
}
