import Datagrams

extension NetworkExplorer {
  mutating func judgeMapping() {
    let verdict = observations[0].behavior
    guard verdict != mapping else { return }
    mapping = verdict
    tell(.mappingBehavior(verdict))
  }

  /// Ends the exploration once nothing is missing that is worth waiting for.
  mutating func finishIfDone(now: Instant) {
    judgeHairpins()
    judgeFiltering(isFinal: false)
    dropMootTests()
    startAlternates(now: now)
    judgeFiltering(isFinal: !probes.contains { ($0.isFiltering || $0.purpose == .alternate) && $0.isWaiting })
    dropMootAlternates()
    let isDone =
      switch configuration.scope {
      case .everything: !probes.contains(where: \.isWaiting)
      case .mapping: !probes.contains(where: \.isWaiting) || isMappingDone(now: now)
      }
    guard isDone || now >= deadline else { return }
    for index in servers.indices where servers[index].outcome == nil { settle(server: index, now: now) }
    judgeFiltering(isFinal: true)
    finish(report(now: now))
  }

  private func isMappingDone(now: Instant) -> Bool {
    guard observations[0].publicEndpoint != nil else { return false }
    switch mapping {
    case .endpointIndependent, .addressDependent, .addressAndPortDependent: return true
    case .endpointDependent, .unknown: return graceEnds.map { now >= $0 } ?? false
    }
  }

  private mutating func settle(server: Int, now: Instant) {
    if let noted = servers[server].noted {
      fail(server: server, noted)
    } else if configuration.scope == .mapping, now < deadline, observations[0].publicEndpoint != nil {
      servers[server].outcome = .notAwaited
    } else {
      fail(server: server, .silent(for: started.duration(to: now)))
    }
  }

  /// Silences that would decide nothing must not hold up the end.
  private mutating func dropMootTests() {
    for (index, state) in servers.enumerated() where state.outcome != nil {
      if state.other == nil || filtering == .endpointIndependent { drop { $0.server == index && $0.isFiltering } }
      if let other = state.other, other.address == state.server.endpoint.address {
        // It has one address only, and cannot answer from another.
        drop { $0.server == index && $0.purpose == .filtering([.address, .port]) }
      }
    }
    if hairpins == true { drop { if case .hairpin = $0.purpose { true } else { false } } }
  }

  /// Alternates also show which silence means something, so they may only go once no silence is to be judged.
  private mutating func dropMootAlternates() {
    let areFiltersJudged =
      filtering != .unknown || !probes.contains { $0.isFiltering && ($0.isWaiting || $0.state == .silent) }
    if areFiltersJudged, mapping != .unknown, mapping != .endpointDependent {
      drop { $0.purpose == .alternate }
    }
  }

  private mutating func drop(where isMoot: (Probe) -> Bool) {
    for index in probes.indices where isMoot(probes[index]) { probes[index].drop() }
  }

  private mutating func judgeHairpins() {
    guard hairpins == nil else { return }
    let states = probes.filter { if case .hairpin = $0.purpose { true } else { false } }.map(\.state)
    if states.contains(where: { if case .answered = $0 { true } else { false } }) {
      hairpins = true
    } else if !states.isEmpty, states.allSatisfy({ $0 == .silent }) {
      hairpins = false
    }
    if let hairpins { tell(.hairpinning(hairpins)) }
  }

  /// An answer that came through is proof at once; what needs a silence is judged at the end.
  private mutating func judgeFiltering(isFinal: Bool) {
    guard filtering == .unknown else { return }
    // The most permissive verdict wins: it rests on a datagram that came in, the others on some that did not.
    let verdicts = Set(servers.indices.map { filtering(by: $0) })
    if verdicts.contains(.endpointIndependent) {
      filtering = .endpointIndependent
    } else if isFinal {
      filtering =
        verdicts.contains(.addressDependent)
        ? .addressDependent
        : verdicts.contains(.addressAndPortDependent) ? .addressAndPortDependent : .unknown
    }
    if filtering != .unknown { tell(.filteringBehavior(filtering)) }
  }

  /// What one server's own tests say (RFC 5780 4.4).
  private func filtering(by server: Int) -> FilteringBehavior {
    let own = servers[server].server.endpoint
    guard let other = servers[server].other else { return .unknown }
    let otherPort = Endpoint(address: own.address, port: other.port)
    let answers = probes.filter { $0.server == server && $0.socket == Self.filteringSocket(of: server) }
    func state(_ purpose: Probe.Purpose) -> Probe.State { answers.first { $0.purpose == purpose }?.state ?? .undecided }
    func isFiltered(_ change: STUNChangeRequest, _ source: Endpoint) -> Bool {
      state(.filtering(change)) == .silent && state(.binding) == .answered(by: own)
        && observations[0].hasAnswer(from: source)
    }

    if other.address != own.address, other.port != own.port,
      state(.filtering([.address, .port])) == .answered(by: other)
    {
      return .endpointIndependent
    }
    if otherPort != own, isFiltered(.port, otherPort) { return .addressAndPortDependent }
    if state(.filtering(.port)) == .answered(by: otherPort), other.address != own.address,
      isFiltered([.address, .port], other)
    {
      return .addressDependent
    }
    return .unknown
  }

  private func report(now: Instant) -> NetworkReport {
    let mapped = zip(sockets, observations).compactMap { socket, seen in seen.publicEndpoint.map { (socket, $0) } }
    let addresses = observations.reduce(into: Set()) { $0.formUnion($1.addresses) }
    return NetworkReport(
      local: Endpoint(address: localAddress, port: sockets[0].port),
      publicEndpoint: observations[0].publicEndpoint,
      isTranslated: observations[0].isTranslated,
      mapping: mapping,
      filtering: filtering,
      isPortPreserved: mapped.isEmpty ? nil : mapped.allSatisfy { $0.port == $1.port },
      addressVaries: mapped.count < 2 && addresses.count < 2 ? nil : addresses.count > 1,
      hairpins: hairpins,
      servers: servers.indices.map { index in
        let state = servers[index]
        return STUNServerReport(
          server: state.server, outcome: state.outcome ?? .notAwaited, mapped: state.mapped, other: state.other,
          software: state.software, filtering: filtering(by: index))
      },
      duration: started.duration(to: now))
  }

  /// The address that the socket is bound to or, if that is any, the one that routes to a server which answered.
  private var localAddress: IPAddress {
    let bound = sockets[0].address
    guard bound.isUnspecified else { return bound }
    let known = servers.filter { $0.mapped != nil } + servers
    return known.lazy.compactMap(\.localAddress).first ?? bound
  }
}
