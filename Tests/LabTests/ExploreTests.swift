import FoundationEssentials
import PlexusTesting
import Testing

extension LabTests {
  /// `plexus explore` behind every kind of NAT.
  @Suite(.serialized, .enabled(if: Lab.isAvailable, "\(Lab.missingSentence)")) struct Explore {
    @Test func aServerOfRFC5780TellsEverything() async throws {
      try await explore(with: { [$0.stunServer] }) { kind, host, seen in
        let report = try #require(seen.ipv4.report)
        expectAddress(report, kind, host)
        #expect(report.mapping == (kind == .symmetric ? "addressAndPortDependent" : "endpointIndependent"), "\(kind)")
        #expect(report.filtering == filtering(of: kind), "\(kind)")
        #expect(seen.prospect == prospect(of: kind) && seen.confidence == "measured", "\(kind)")
      }
    }

    @Test func aDeadServerChangesNothingAndIsNamed() async throws {
      try await explore(with: { [$0.deadServer, $0.stunServer] }) { kind, host, seen in
        let report = try #require(seen.ipv4.report)
        expectAddress(report, kind, host)
        #expect(report.filtering == filtering(of: kind), "\(kind)")
        #expect(seen.prospect == prospect(of: kind), "\(kind)")
        #expect(report.servers.map(\.outcome) == ["silent", "answered"], "\(kind)")
      }
    }

    @Test func plainServersTellTheMappingAndThatTheFilterIsNotKnown() async throws {
      try await explore(with: { $0.plainSTUNServers }) { kind, host, seen in
        let report = try #require(seen.ipv4.report)
        expectAddress(report, kind, host)
        #expect(report.mapping == (kind == .symmetric ? "endpointDependent" : "endpointIndependent"), "\(kind)")
        #expect(report.filtering == "unknown" && seen.confidence == "likely", "\(kind)")
        #expect(
          seen.prospect == (kind == .symmetric ? "everyPeerButSymmetric" : "everyPeer"), "\(kind)")
      }
    }

    @Test func onePlainServerLeavesTheMappingUnknown() async throws {
      try await explore(behind: [.portRestricted], with: { [$0.plainSTUNServers[0]] }) { kind, host, seen in
        let report = try #require(seen.ipv4.report)
        expectAddress(report, kind, host)
        #expect(report.mapping == "unknown" && seen.prospect == "unknown" && seen.confidence == "none")
      }
    }

    @Test func withoutAnyAnswerOneSentenceNamesTheServers() async throws {
      try await withLab(sites: [.portRestricted]) { lab in
        for json in [[], ["--json"]] {
          let result = try await lab.host(0).run(
            "plexus", arguments: ["explore", "--stun-server", lab.deadServer] + json, deadline: .seconds(10))
          #expect(result.exit == .exited(69))
          #expect(result.errors.contains("\(lab.deadServer) did not answer"), "\(result.errors)")
          #expect(result.errors.filter { $0 == "\n" }.count == 1, "\(result.errors)")
          #expect(result.output.isEmpty == json.isEmpty)
        }
      }
    }

    @Test func bothFamiliesAreSeenAtOnce() async throws {
      try await withLab(sites: [.symmetric], ipv6: true) { lab in
        let seen = try await Self.explore(from: lab.host(0), [lab.stunServer, lab.stunServerV6])
        #expect(seen.ipv4.report?.mapping == "addressAndPortDependent")
        let report = try #require(seen.ipv6.report)
        // The lab routes IPv6 without NAT or firewall.
        #expect(report.translated == false && report.mapping == "endpointIndependent")
        #expect(report.publicEndpoint?.contains(try #require(lab.host(0).addressV6)) == true)
      }
    }

    @Test func aMachineWithoutIPv6IsToldSo() async throws {
      try await withLab(sites: [.portRestricted]) { lab in
        let seen = try await Self.explore(from: lab.host(0), [lab.stunServer, "[2001:db8::1]:3478"])
        #expect(seen.ipv6.state == "noRoute" && seen.ipv6.report == nil)
        #expect(seen.prospect == "everyPeer")
      }
    }

    // MARK: Helpers

    /// What `--json` says, as far as these tests look.
    struct Seen: Decodable, Sendable {
      struct Finding: Decodable, Sendable {
        var state: String
        var report: Report?
      }
      struct Report: Decodable, Sendable {
        var publicEndpoint: String?
        var translated: Bool?
        var mapping, filtering: String
        var servers: [Server]
      }
      struct Server: Decodable, Sendable { var outcome: String }
      var prospect, confidence: String
      var ipv4, ipv6: Finding
    }

    /// Who is behind which NAT, and what it must see as its address.
    private typealias Place = (host: Lab.Host, address: String)

    /// Explores behind all kinds at once.
    private func explore(
      behind kinds: [Lab.NATKind] = Lab.NATKind.allCases, with servers: @Sendable (Lab) -> [String],
      _ check: (Lab.NATKind, Place, Seen) throws -> Void
    ) async throws {
      try await withLab(sites: kinds.map { Lab.Site(nat: $0) }) { lab in
        let servers = servers(lab)
        let all = try await withThrowingTaskGroup(of: (Int, Seen).self) { group in
          for index in kinds.indices {
            group.addTask { (index, try await Self.explore(from: lab.host(index), servers)) }
          }
          return try await group.reduce(into: []) { $0.append($1) }
        }
        for (index, seen) in all {
          let host = lab.host(index)
          let address = kinds[index] == .open ? host.address : lab.nat(index).publicAddress
          try check(kinds[index], (host, address), seen)
        }
      }
    }

    private static func explore(from host: Lab.Host, _ servers: [String]) async throws -> Seen {
      let result = try await host.run(
        "plexus", arguments: ["explore", "--json", "--stun-server", servers.joined(separator: ",")],
        deadline: .seconds(10))
      try #require(result.exit == .exited(0), "\(result.errors)")
      return try JSONDecoder().decode(Seen.self, from: Data(result.output.utf8))
    }

    private func expectAddress(_ report: Seen.Report, _ kind: Lab.NATKind, _ place: Place) {
      #expect(report.publicEndpoint?.hasPrefix("\(place.address):") == true, "\(kind)")
      #expect(report.translated == (kind != .open), "\(kind)")
    }

    private func filtering(of kind: Lab.NATKind) -> String {
      switch kind {
      case .open, .fullCone: "endpointIndependent"
      case .addressRestricted: "addressDependent"
      case .portRestricted, .symmetric: "addressAndPortDependent"
      }
    }

    private func prospect(of kind: Lab.NATKind) -> String {
      switch kind {
      case .open, .fullCone, .addressRestricted, .portRestricted: "everyPeer"
      case .symmetric: "everyPeerButSymmetric"
      }
    }
  }
}
