import HolePunching
import STUN

extension Diagnosis {
  /// What the servers could tell.
  struct Seen: Sendable {
    var exploration: ExplorationReport?
    var traits: NetworkTraits?

    /// Whether servers were asked, and none said anything.
    var isSilent: Bool {
      let servers = [exploration?.ipv4, exploration?.ipv6].compactMap { $0?.report }.flatMap(\.servers)
      return !servers.isEmpty && servers.allSatisfy { $0.outcome.kind == .silent || $0.outcome.kind == .unreachable }
    }
  }

  /// Addresses that providers give to customers behind a NAT of their own (RFC 6598).
  private static func isOfProvider(_ address: IPAddress) -> Bool {
    if case .v4(let bits) = address { bits >> 22 == 0x6440_0000 >> 22 } else { false }
  }

  /// A second longer than a look in a hurry: here a loss must not be taken for a silence.
  private static let budget: Duration = .milliseconds(2500)

  /// The STUN servers, and the NATs on the way to them.
  ///
  /// - Throws: `CancellationError`.
  func examineNetwork(_ tell: Tell) async throws -> Seen {
    guard !configuration.stunServers.isEmpty else {
      tell(
        DiagnosisFinding(
          .stun, .problem, "no STUN server is named, so the public address cannot be learnt",
          advice: "name at least one by --stun-server HOST[:PORT], better two"))
      return Seen()
    }
    let report: ExplorationReport
    do {
      report = try await NetworkExploration(
        stunServers: configuration.stunServers, local: configuration.localEndpoint, budget: Self.budget
      ).run()
    } catch let error as PlexusError {
      tell(DiagnosisFinding(.stun, .problem, error.message, advice: error.advice))
      return Seen()
    }
    tellServers(of: report, tell)
    guard let decisive = report.decisive else { return Seen(exploration: report) }
    tellNATs(of: report, tell)
    return Seen(exploration: report, traits: try await traits(of: decisive, tell))
  }

  private func tellServers(of report: ExplorationReport, _ tell: Tell) {
    let isAnswered = report.decisive != nil
    let bad: DiagnosisFinding.Verdict = isAnswered ? .warning : .problem
    for server in [report.ipv4, report.ipv6].compactMap(\.report).flatMap(\.servers) {
      let sentence = "\(server.server) \(server.outcome)"
      if case .answered(let roundTrip) = server.outcome {
        tell(DiagnosisFinding(.stun, .ok, sentence, took: roundTrip))
      } else if server.outcome.isFailure {
        tell(DiagnosisFinding(.stun, bad, sentence, advice: "name another by --stun-server"))
      }
    }
    for server in report.unresolved {
      tell(
        DiagnosisFinding(
          .stun, bad, "\(server.name) has no address: \(server.reason)",
          advice: "look at its spelling and at the name server, or name another by --stun-server"))
    }
    if report.decisive == nil, [report.ipv4, report.ipv6].allSatisfy({ $0.report == nil }), report.unresolved.isEmpty {
      tell(
        DiagnosisFinding(
          .stun, .problem, "this machine has no route to any of the STUN servers", advice: "connect it to a network"))
    }
  }

  private func tellNATs(of report: ExplorationReport, _ tell: Tell) {
    for (family, finding) in [(IPAddress.Family.v4, report.ipv4), (.v6, report.ipv6)] {
      guard let network = finding.report, network.publicEndpoint != nil else { continue }
      let words = network.sentences.joined(separator: " ")
      let isSymmetric = network.mapping.isSymmetric == true
      tell(DiagnosisFinding(.nat, isSymmetric ? .warning : .ok, "\(family): \(words)", took: network.duration))
      let isBehindProvider =
        network.isTranslated == true
        && (Self.isOfProvider(network.local.address)
          || LocalAddresses.reachable(family).contains(where: Self.isOfProvider))
      if isBehindProvider {
        tell(
          DiagnosisFinding(
            .nat, .warning,
            "\(network.local.address) is of the range that providers give behind a NAT of their own (RFC 6598)",
            advice:
              "a forwarded port of the own router does not help here; IPv6, or a public address from the provider, does"
          ))
      }
    }
  }

  /// What to tell a peer; a symmetric NAT is asked how it gives ports.
  private func traits(of network: NetworkReport, _ tell: Tell) async throws -> NetworkTraits {
    var traits = NATTraits(mapping: network.mapping, filtering: network.filtering)
    let answered = network.servers.first { if case .answered = $0.outcome { true } else { false } }
    if traits.isSymmetric, let server = answered?.server {
      let seen = try await STUNClient.samplePorts(
        count: Plexus.portSamples, local: network.local.address, server: server)
      traits.allocation = PortAllocation(seen.map { PortAllocation.Sample(local: $0.local, mapped: $0.mapped.port) })
      tell(DiagnosisFinding(.nat, .ok, "the symmetric NAT \(traits.allocation.words)"))
    }
    let hasIPv6 = LocalAddresses.source(.v6)?.scope == .global
    return NetworkTraits(nat: traits, hasIPv6: hasIPv6)
  }

  /// Why no server answered, as far as others out there let it be known.
  static func withoutSTUN(isUDPAnswered: Bool) -> DiagnosisFinding {
    isUDPAnswered
      ? DiagnosisFinding(
        .nat, .problem, "UDP passes, for the DHT answers, but no STUN server tells the public address",
        advice: "name other servers by --stun-server")
      : DiagnosisFinding(
        .nat, .problem,
        "UDP seems to be blocked altogether: nobody out there answered any datagram, and without UDP there can be no passages",
        advice: "use another network, such as a telephone's, or have the firewall let UDP out")
  }
}

extension PortAllocation {
  fileprivate var words: String {
    switch self {
    case .preserving: "keeps the ports of sockets, so that they can be predicted"
    case .sequential(let step): "counts its ports by \(step), so that they can be predicted"
    case .random: "gives random ports, which nobody can predict"
    case .unknown: "did not show how it gives ports"
    }
  }
}
