import Plexus

/// A report for people: sentences first, then a table of the findings and one of the servers.
struct ExplorationText {
  private let report: ExplorationReport

  init(_ report: ExplorationReport) { self.report = report }

  var text: String {
    let families = [("IPv4", report.ipv4), ("IPv6", report.ipv6)].compactMap { name, finding in
      finding.report.map { (name, $0) }
    }
    var rows = [[""] + families.map(\.0)]
    rows += Self.rows.map { title, cell in [title] + families.map { cell($0.1) } }
    let servers =
      families.flatMap { $0.1.servers.map(Self.serverRow) }
      + report.unresolved.map { ["\($0.name)", "has no address: \($0.reason)"] }
    return [wrapped(report.sentences), table(rows), table([["STUN server", "what it said"]] + servers)]
      .joined(separator: "\n\n")
  }

  private static let rows: [(String, @Sendable (NetworkReport) -> String)] = [
    ("local address", { "\($0.local)" }),
    ("public address", { $0.publicEndpoint.map { "\($0)" } ?? "not known" }),
    ("NAT", { yesOrNo($0.isTranslated) }),
    ("mapping", { $0.mapping.words }),
    ("filtering", { $0.filtering.words }),
    ("port kept", { yesOrNo($0.isPortPreserved) }),
    ("one public address", { yesOrNo($0.addressVaries.map { !$0 }) }),
    ("hairpin", { $0.isTranslated == false ? "no NAT" : yesOrNo($0.hairpins) }),
    ("punching", { $0.prospect.words }),
    ("how sure", { $0.confidence.words }),
  ]

  private static func yesOrNo(_ value: Bool?) -> String { value.map { $0 ? "yes" : "no" } ?? "not known" }

  private static func serverRow(_ server: STUNServerReport) -> [String] {
    let named = server.server.name.host == "\(server.server.endpoint.address)" ? "" : " (\(server.server.endpoint))"
    let words = [
      "\(server.outcome)", server.mapped.map { "saw \($0)" }, server.other.map { "also answers from \($0)" },
      server.software.map { "is “\($0.escapedForDisplay)”" },
    ]
    return ["\(server.server)\(named)", words.compactMap { $0 }.joined(separator: ", ")]
  }

  /// One line for the sentences of each family.
  private func wrapped(_ sentences: [String]) -> String {
    var lines: [String] = []
    for sentence in sentences {
      if lines.isEmpty || sentence.hasPrefix("IPv6: ") { lines.append(sentence) } else { lines.append("  " + sentence) }
    }
    return lines.joined(separator: "\n")
  }

  private func table(_ rows: [[String]]) -> String {
    let columns = rows.map(\.count).max() ?? 0
    let widths = (0..<columns).map { column in rows.compactMap { $0.dropFirst(column).first?.count }.max() ?? 0 }
    return rows.map { row in
      let padded = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: "  ")
      return String(padded.reversed().drop { $0 == " " }.reversed())
    }.joined(separator: "\n")
  }
}

extension MappingBehavior {
  var words: String {
    switch self {
    case .endpointIndependent: "endpoint-independent"
    case .addressDependent: "address-dependent"
    case .addressAndPortDependent: "address- and port-dependent"
    case .endpointDependent: "endpoint-dependent"
    case .unknown: "not known"
    }
  }
}

extension FilteringBehavior {
  var words: String {
    switch self {
    case .endpointIndependent: "endpoint-independent"
    case .addressDependent: "address-dependent"
    case .addressAndPortDependent: "address- and port-dependent"
    case .unknown: "not known"
    }
  }
}

extension PunchProspect {
  var words: String {
    switch self {
    case .everyPeer: "with everyone"
    case .everyPeerButSymmetric: "with all but symmetric NATs"
    case .unknown: "not known"
    }
  }
}

extension Confidence {
  var words: String {
    switch self {
    case .measured: "observed"
    case .likely: "likely"
    case .none: "not at all"
    }
  }
}
