import PlexusTesting
import Testing

extension LabTests {
  /// Each NAT is what it claims, by the word of coturn's RFC 5780 client.
  @Suite(.enabled(if: Lab.isAvailable, "\(Lab.missingSentence)")) struct NATKinds {
    @Test func everyKindMapsAsItsNameSays() async throws {
      for (kind, finding) in try await discover("-m") {
        let address =
          kind == .open ? finding.lab.host(finding.host).address : finding.lab.nat(finding.host).publicAddress
        #expect(finding.verdict.contains("UDP reflexive addr: \(address):"), "\(kind)")
        let mapping = kind == .symmetric ? "Address and Port Dependent" : "Endpoint Independent"
        #expect(finding.verdict.contains("NAT with \(mapping) Mapping!"), "\(kind)")
      }
    }

    @Test func everyKindFiltersAsItsNameSays() async throws {
      for (kind, finding) in try await discover("-f") {
        let filtering =
          switch kind {
          case .open, .fullCone: "Endpoint Independent"
          case .addressRestricted: "Address Dependent"
          case .portRestricted, .symmetric: "Address and Port Dependent"
          }
        #expect(finding.verdict.contains("NAT with \(filtering) Filtering!"), "\(kind)")
      }
    }

    private typealias Finding = (lab: Lab, host: Int, verdict: String)

    /// Asks behind all kinds at once, because the client waits out what is not answered.
    private func discover(_ test: String) async throws -> [(Lab.NATKind, Finding)] {
      try await withLab(sites: Lab.NATKind.allCases.map { Lab.Site(nat: $0) }) { lab in
        try await withThrowingTaskGroup(of: (Lab.NATKind, Finding).self) { group in
          for (host, kind) in Lab.NATKind.allCases.enumerated() {
            group.addTask {
              let result = try await lab.host(host).run("turnutils_natdiscovery", test, "198.51.100.1")
              #expect(result.exit == .exited(0), "\(kind): \(result.errors)")
              return (kind, (lab, host, result.output))
            }
          }
          return try await group.reduce(into: []) { $0.append($1) }
        }
      }
    }
  }
}
