import Datagrams

extension NetworkExplorer {
  /// Everything that needs no answer before: plain requests from each socket, and both filtering tests.
  mutating func startBindings(now: Instant) {
    for (index, state) in servers.enumerated() {
      send(.binding, server: index, from: 0, to: state.server.endpoint, now: now)
    }
    guard configuration.scope == .everything else { return }
    for (index, state) in servers.prefix(Self.maximumFilteringServers).enumerated() {
      let socket = Self.filteringSocket(of: index)
      let endpoint = state.server.endpoint
      for socket in Self.hairpinSockets { send(.binding, server: index, from: socket, to: endpoint, now: now) }
      // Proves that this socket reaches the server, so that a silence of the other two means something.
      send(.binding, server: index, from: socket, to: endpoint, now: now)
      send(.filtering([.address, .port]), server: index, from: socket, to: endpoint, now: now)
      send(.filtering(.port), server: index, from: socket, to: endpoint, now: now)
    }
  }

  mutating func takeResponse(_ response: STUNMessage, from source: Endpoint, on socket: Int, now: Instant) {
    guard let index = probes.firstIndex(where: { $0.id == response.transactionID }) else {
      return note(.nonsense("an answer to a request that was not sent"), from: source)
    }
    guard probes[index].socket == socket, case .waiting(let timer) = probes[index].state else { return }
    let probe = probes[index]
    switch probe.purpose {
    case .binding, .alternate:
      guard source == probe.destination else {
        return note(.nonsense("the answer came from \(source)"), about: probe.server)
      }
      switch Self.mapped(in: response) {
      case .success(let mapped):
        probes[index].state = .answered(by: source)
        takeMapping(mapped, response: response, probe: probe, timer: timer, now: now)
      case .failure(let fault):
        probes[index].state = .refused
        if probe.purpose == .binding, socket == 0 { fail(server: probe.server, fault.outcome) }
      }
    case .filtering:
      // An answer from where the request went is that of a server that ignores CHANGE-REQUEST.
      let isChanged = response.messageClass == .success && source != probe.destination
      probes[index].state = isChanged ? .answered(by: source) : .refused
    case .hairpin:
      // Our own sockets answer nothing; whoever does is somebody else.
      probes[index].state = .refused
    }
  }

  private struct Fault: Error { let outcome: STUNServerOutcome }

  private static func mapped(in response: STUNMessage) -> Result<Endpoint, Fault> {
    guard response.method == STUNMessage.bindingMethod else {
      return .failure(Fault(outcome: .nonsense("a response to something else than Binding")))
    }
    guard response.messageClass == .success else {
      return .failure(
        Fault(outcome: response.errorCode.map { .errorResponse($0) } ?? .nonsense("an error without a code")))
    }
    if let type = response.unknownComprehensionRequired.first {
      return .failure(Fault(outcome: .nonsense("an unknown attribute 0x\(String(type, radix: 16))")))
    }
    guard let mapped = response.mappedEndpoint else {
      return .failure(Fault(outcome: .nonsense("a response without a mapped address")))
    }
    guard mapped.address.isUnicast, mapped.port != 0 else {
      return .failure(Fault(outcome: .nonsense("\(mapped) as the public endpoint")))
    }
    return .success(mapped)
  }

  private mutating func takeMapping(
    _ mapped: Endpoint, response: STUNMessage, probe: Probe, timer: RetransmissionTimer, now: Instant
  ) {
    let server = probe.server
    guard mapped.address.family == probe.destination.address.family else {
      if probe.socket == 0, probe.purpose == .binding {
        fail(server: server, .nonsense("\(mapped), which is of another address family"))
      }
      return
    }
    // Karn's algorithm: an answer to a repeated request may be that to an earlier copy, and measures nothing.
    if timer.transmissions == 1 { learn(roundTrip: timer.firstSent.duration(to: now), of: server) }
    if probe.purpose == .binding { learn(response, from: server) }
    let local = servers[server].localAddress.map { Endpoint(address: $0, port: sockets[probe.socket].port) }
    observations[probe.socket].append(
      destination: probe.destination, mapped: mapped, isTranslated: local.map { $0 != mapped })
    if probe.socket == 0, probe.purpose == .binding {
      let roundTrip = timer.firstSent.duration(to: now)
      servers[server].mapped = mapped
      servers[server].outcome = .answered(roundTrip: roundTrip)
      tell(.mapped(mapped, by: servers[server].server, roundTrip: roundTrip))
      if graceEnds == nil { graceEnds = graceEnd(after: timer.lastSent.duration(to: now), now: now) }
    }
    judgeMapping()
    startHairpins(server: server, now: now)
  }

  /// How long a connection waits for the rest of the mapping probes once it knows its public endpoint: 100 ms, or two
  /// round trips of the server that answered, at most 500 ms.
  ///
  /// What is missing was sent at the same time, or is sent now to the same site: it needs about one round trip, and the
  /// second makes room for jitter and for slower servers; on links faster than 25 ms the 100 ms hold a repeat too.
  /// Longer would delay every connection that has a dead server on its list, for a verdict that only tells whether
  /// punching is hopeless.
  private func graceEnd(after roundTrip: Duration, now: Instant) -> Instant? {
    switch configuration.scope {
    case .mapping: now.advanced(by: min(max(.milliseconds(100), roundTrip * 2), .milliseconds(500)))
    case .everything: nil
    }
  }

  private mutating func learn(roundTrip: Duration, of server: Int) {
    servers[server].roundTrip = min(servers[server].roundTrip ?? roundTrip, roundTrip)
    for index in probes.indices where probes[index].server == server {
      probes[index].adopt(timeout: timeout(of: server))
    }
  }

  private mutating func learn(_ response: STUNMessage, from server: Int) {
    if servers[server].software == nil { servers[server].software = response.software }
    let endpoint = servers[server].server.endpoint
    guard servers[server].other == nil, let other = response.otherEndpoint, other != endpoint, other.port != 0,
      other.address.family == endpoint.address.family, other.address.isUnicast,
      // A stranger must not make us talk to ourselves.
      !other.address.isLoopback || endpoint.address.isLoopback
    else { return }
    servers[server].other = other
  }

  /// When the filtering tests of a server have had their chance: three requests, or two thirds of the time, which leave
  /// the last third to the probes that follow. On slow links, where the second request would not have been waited for by
  /// then, up to four fifths. nil once they are over.
  func filteringTestEnd(of server: Int) -> Instant? {
    let usual = started.advanced(by: configuration.budget * 2 / 3)
    let latest = started.advanced(by: configuration.budget * 4 / 5)
    return probes.filter { $0.server == server && $0.isFiltering }.compactMap(\.timer)
      .map { min($0.thirdTimeout ?? latest, max(usual, min($0.secondTimeout ?? usual, latest))) }.max()
  }

  mutating func startAlternates(now: Instant) {
    for server in servers.indices where filteringTestEnd(of: server).map({ now >= $0 }) ?? true {
      startAlternates(of: server, now: now)
    }
  }

  private mutating func startAlternates(of server: Int, now: Instant) {
    guard let other = servers[server].other, !servers[server].hasAlternates,
      observations[0].isTranslated != false || configuration.scope == .everything
    else { return }
    servers[server].hasAlternates = true
    for index in probes.indices where probes[index].server == server && probes[index].isFiltering {
      probes[index].giveUp(at: now)
    }
    let own = servers[server].server.endpoint
    var destinations = [
      Endpoint(address: other.address, port: own.port), Endpoint(address: other.address, port: other.port),
    ]
    if configuration.scope == .everything {
      // Not needed for the mapping: shows that this endpoint lives, before its silence is held against the filter.
      destinations.append(Endpoint(address: own.address, port: other.port))
    }
    for destination in destinations where destination != own {
      let isAsked = probes.contains { $0.socket == 0 && $0.destination == destination }
      if !isAsked { send(.alternate, server: server, from: 0, to: destination, now: now) }
    }
  }

  private mutating func startHairpins(server: Int, now: Instant) {
    let ends = Self.hairpinSockets.compactMap { socket -> (socket: Int, publicEndpoint: Endpoint)? in
      guard observations.indices.contains(socket), observations[socket].isTranslated == true else { return nil }
      return observations[socket].publicEndpoint.map { (socket, $0) }
    }
    guard ends.count == Self.hairpinSockets.count,
      !probes.contains(where: { if case .hairpin = $0.purpose { true } else { false } })
    else { return }
    // Both ask, since each opens the own filter for the other by asking.
    for (from, to) in zip(ends, ends.reversed()) {
      send(.hairpin(to: to.socket), server: server, from: from.socket, to: to.publicEndpoint, now: now)
    }
  }

  mutating func noteHairpin(_ id: STUNTransactionID, on socket: Int, from source: Endpoint) {
    for index in probes.indices
    where probes[index].id == id && probes[index].purpose == .hairpin(to: socket) && probes[index].isWaiting {
      probes[index].state = .answered(by: source)
    }
  }

  /// Remembers what came from a server's endpoint and was no answer; a proper answer may still come.
  mutating func note(_ outcome: STUNServerOutcome, from source: Endpoint) {
    for index in servers.indices where servers[index].server.endpoint == source { note(outcome, about: index) }
  }

  private mutating func note(_ outcome: STUNServerOutcome, about server: Int) {
    if servers[server].noted == nil { servers[server].noted = outcome }
  }

  mutating func fail(server: Int, _ outcome: STUNServerOutcome) {
    guard servers[server].outcome == nil else { return }
    servers[server].outcome = outcome
    tell(.serverFailed(servers[server].server, outcome))
    for index in probes.indices where probes[index].server == server { probes[index].drop() }
  }
}
