import RendezvousDHT

extension Diagnosis {
  /// The hosts to start from, and whether a message gets from one node to another.
  ///
  /// - Returns: whether a node answered.
  func examineDHT(_ tell: Tell) async -> Bool {
    let report = await DHTProbe(configuration.dht).run()
    guard !Task.isCancelled else { return false }
    let bad: DiagnosisFinding.Verdict = report.joined == nil ? .problem : .warning
    for host in report.hosts {
      guard let problem = host.problem else { continue }
      tell(
        DiagnosisFinding(
          .dht, bad, "the DHT host \(host.name) was not found: \(problem)",
          advice: "look at its spelling and at the name server, or name another by --dht-bootstrap"))
    }
    if let problem = report.problem {
      tell(
        DiagnosisFinding(.dht, .problem, "the DHT cannot be tried: \(problem)", advice: "look at the local addresses"))
      return report.joined != nil
    }
    guard let joined = report.joined else {
      let hosts = report.hosts.filter { $0.problem == nil }.map(\.name.description)
      let asked =
        hosts.isEmpty ? "no host to start from could be asked" : "\(hosts.joined(separator: ", ")) did not answer"
      tell(
        DiagnosisFinding(
          .dht, .problem, "the DHT was not joined: \(asked)",
          advice:
            "check --dht-bootstrap and --dht-network \(configuration.dht.network), and that UDP may leave this network")
      )
      return false
    }
    tell(
      DiagnosisFinding(
        .dht, .ok,
        "the DHT was joined in \(joined.forPeople); nodes that answer: \(report.nodes.v4) over IPv4, \(report.nodes.v6) over IPv6",
        took: joined))
    switch (report.found, report.hasPut) {
    case (let found?, _):
      tell(
        DiagnosisFinding(.dht, .ok, "a message put by one node was found by another in \(found.forPeople)", took: found)
      )
    case (nil, true):
      tell(
        DiagnosisFinding(
          .dht, .problem, "a message that was put into the DHT was not found there",
          advice: "try again; if it stays so, start from other nodes by --dht-bootstrap"))
    case (nil, false):
      tell(
        DiagnosisFinding(
          .dht, .problem, "no node of the DHT took a message",
          advice: "try again; if it stays so, start from other nodes by --dht-bootstrap"))
    }
    return true
  }
}
