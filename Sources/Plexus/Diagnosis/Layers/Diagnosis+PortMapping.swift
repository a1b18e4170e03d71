import PortMapping

extension Diagnosis {
  /// Whether the router forwards ports: a port of no use is forwarded for a moment.
  ///
  /// - Returns: the router's external address, as it tells it; nil where no port was forwarded.
  func examinePortMapping(_ tell: Tell) async -> IPAddress? {
    let local = configuration.localEndpoint.address
    // Loopback has no router, and what the user does not want is not tried.
    guard configuration.mapsPorts, local.family == .v4, !local.isLoopback else { return nil }
    let report = await PortMapper.probe(local: local)
    guard !Task.isCancelled else { return nil }
    let working = report.findings.filter { $0.externalAddress != nil }
    for finding in working { tell(DiagnosisFinding(.portMapping, .ok, finding.description)) }
    for finding in report.findings {
      guard case .failure(let error) = finding.outcome, error.code == .refused || error.code == .unusableAnswer else {
        continue
      }
      // Another protocol will do, and most passages need none.
      tell(DiagnosisFinding(.portMapping, working.isEmpty ? .warning : .ok, "\(finding)"))
    }
    if working.isEmpty {
      let who = report.router.map { "the router \($0) forwards no ports" } ?? "there is no router to forward ports"
      tell(
        DiagnosisFinding(
          .portMapping, .ok, "\(who); only passages between two symmetric NATs need that"))
    }
    return working.first?.externalAddress
  }

  /// Whether there is another NAT beyond the router: what the router takes for its external address is not what the internet sees.
  static func secondNAT(external: IPAddress?, seen: IPAddress?) -> DiagnosisFinding? {
    guard let external, let seen, external.family == seen.family, external != seen else { return nil }
    return DiagnosisFinding(
      .nat, .warning,
      "there are two NATs in a row: the router's own address is \(external), and the internet sees \(seen)",
      advice:
        "a port that the router forwards helps peers behind the same outer NAT only; IPv6, or a public address from the provider, helps with all"
    )
  }
}
