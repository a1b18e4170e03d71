import Datagrams

/// Finds out what the network between some local sockets and some STUN servers does (RFC 5780), all probes in flight
/// at once. It does no I/O: the caller moves datagrams, tells the time, and polls.
///
/// Sockets are known by index. 0 tests the mapping; its public endpoint is the one that counts. The others exist only in
/// a full exploration: 1 and 2 try whether they reach each other by their public endpoints (socket 0 must not, because
/// some NATs change a mapping on an unexpected datagram), and each of the first servers has one for itself from 3 on,
/// which never sends anywhere but to that server's own endpoint. So no mapping probe opens the filter that is tested,
/// not even where one server's alternate address is another server on the list. Some firewalls filter by what the whole
/// host has sent, so no socket sends to an alternate address before that server's filtering tests are over.
///
/// An answer counts only with the id of the request, on its socket, and from where the request went (or from where the
/// server was asked to answer). No verdict on the mapping comes from a silence. A verdict on the filtering does, and
/// so needs that the same socket reached the server, that the request was repeated, and that the endpoint which stayed
/// silent has answered another socket.
public struct NetworkExplorer: Sendable {
  /// How much to find out.
  public enum Scope: Hashable, Sendable {
    /// The public endpoint of socket 0 and the mapping behaviour, ended as soon as these are known or will not be soon.
    case mapping
    /// Everything.
    case everything
  }

  /// How to explore.
  public struct Configuration: Hashable, Sendable {
    /// How much to find out.
    public var scope: Scope
    /// After that the exploration is over, whatever is missing.
    public var budget: Duration
    /// When requests are repeated.
    public var retransmission: RetransmissionPolicy

    /// A full exploration ends after 1.5 s by default: three round trips of a slow link, or two repeats of 500 ms and
    /// the wait for the second; a person waits for it.
    public init(
      scope: Scope = .everything, budget: Duration = .milliseconds(1500), retransmission: RetransmissionPolicy = .init()
    ) {
      self.scope = scope
      self.budget = budget
      self.retransmission = retransmission
    }
  }

  /// More servers than that are left out: they would tell nothing new.
  public static let maximumServers = 8
  /// Servers that are asked to test the filter, each needing a socket.
  public static let maximumFilteringServers = 4

  static let hairpinSockets = [1, 2]
  static func filteringSocket(of server: Int) -> Int { 1 + hairpinSockets.count + server }

  struct ServerState: Sendable {
    let server: STUNServer
    let localAddress: IPAddress?
    var outcome: STUNServerOutcome?
    var mapped: Endpoint?
    var other: Endpoint?
    var software: String?
    /// What came instead of an answer, in case none comes.
    var noted: STUNServerOutcome?
    var roundTrip: Duration?
    /// Whether its other endpoints are asked.
    var hasAlternates = false
  }

  let configuration: Configuration
  /// The local endpoints; never empty.
  let sockets: [Endpoint]
  let started: Instant
  let deadline: Instant
  var servers: [ServerState]
  var probes: [Probe] = []
  /// What the servers saw, for each socket.
  var observations: [MappingObservations]
  /// In mapping scope: when what is missing is no longer waited for.
  var graceEnds: Instant?
  var mapping = MappingBehavior.unknown
  var filtering = FilteringBehavior.unknown
  var hairpins: Bool?
  /// Drawn at the start, so that randomness is an argument of `init` alone, and the number of probes is bounded.
  var unusedIDs: [STUNTransactionID]
  private var transmits: [SocketTransmit] = []
  private var events: [ExplorationEvent] = []
  private(set) var isFinished = false

  /// How many sockets an exploration uses.
  public static func socketCount(scope: Scope, servers: Int) -> Int {
    switch scope {
    case .mapping: 1
    case .everything: filteringSocket(of: min(servers, maximumFilteringServers))
    }
  }

  /// Starts an exploration: the first datagrams are ready to be polled.
  ///
  /// - Parameters:
  ///   - servers: the servers, at most ``maximumServers`` of them are asked.
  ///   - localAddresses: for each server the local address from which datagrams to it leave, nil if not known; tells
  ///     whether there is a NAT.
  ///   - sockets: the local endpoints of the sockets, at least one, and as many as ``socketCount(scope:servers:)`` says; with fewer, the
  ///     tests that need the missing ones are left out.
  ///   - random: a cryptographically secure generator.
  public init(
    servers: [STUNServer], localAddresses: [IPAddress?], sockets: [Endpoint], configuration: Configuration = .init(),
    now: Instant, using random: inout some RandomNumberGenerator
  ) {
    precondition(!sockets.isEmpty, "an exploration needs a socket")
    self.configuration = configuration
    self.sockets = sockets
    observations = sockets.map { _ in MappingObservations() }
    started = now
    deadline = now.advanced(by: configuration.budget)
    self.servers = servers.prefix(Self.maximumServers).enumerated().map { index, server in
      ServerState(server: server, localAddress: index < localAddresses.count ? localAddresses[index] : nil)
    }
    // A server needs at most 3 plain ones, 3 on its filtering socket and 3 alternates; hairpinning needs 2.
    unusedIDs = (0..<self.servers.count * 9 + 2).map { _ in STUNTransactionID(using: &random) }
    startBindings(now: now)
    finishIfDone(now: now)
  }

  /// The next datagram to send.
  public mutating func pollTransmit() -> SocketTransmit? { transmits.isEmpty ? nil : transmits.removeFirst() }

  /// The next thing that became known.
  public mutating func pollEvent() -> ExplorationEvent? { events.isEmpty ? nil : events.removeFirst() }

  /// When to call ``handleTimeout(now:)``; nil once finished.
  public func pollTimeout() -> Instant? {
    guard !isFinished else { return nil }
    let ends = servers.indices.compactMap { servers[$0].other == nil ? nil : filteringTestEnd(of: $0) }
    return (ends + probes.compactMap(\.timer?.deadline)).reduce(min(deadline, graceEnds ?? deadline), min)
  }

  /// Repeats what is due and gives up what is over.
  public mutating func handleTimeout(now: Instant) {
    guard !isFinished else { return }
    if now >= deadline {
      for index in probes.indices { probes[index].giveUp(at: now) }
    }
    for index in probes.indices {
      guard case .waiting(var timer) = probes[index].state, let due = timer.fire(at: now) else { continue }
      switch due {
      case .transmit:
        probes[index].state = .waiting(timer)
        transmits.append(probes[index].transmit)
      case .giveUp:
        probes[index].giveUp(at: now)
      }
    }
    finishIfDone(now: now)
  }

  /// Takes the word of the system that a datagram could not be sent.
  public mutating func sendFailed(_ failed: SocketTransmit, reason: String, now: Instant) {
    guard !isFinished else { return }
    for index in probes.indices where probes[index].isWaiting && probes[index].transmit == failed {
      probes[index].drop()
      if case .binding = probes[index].purpose, probes[index].socket == 0 {
        fail(server: probes[index].server, .unreachable(reason))
      }
    }
    finishIfDone(now: now)
  }

  /// Takes a datagram that came in on a socket, whatever it is.
  public mutating func receive(_ datagram: Datagram, on socket: Int, now: Instant) {
    guard !isFinished else { return }
    do {
      let message = try STUNMessage(decoding: datagram.payload)
      switch message.messageClass {
      case .request: noteHairpin(message.transactionID, on: socket, from: datagram.source)
      case .indication: break
      case .success, .error: takeResponse(message, from: datagram.source, on: socket, now: now)
      }
    } catch {
      note(.nonsense("\(error)"), from: datagram.source)
    }
    finishIfDone(now: now)
  }

  mutating func send(
    _ purpose: Probe.Purpose, server: Int, from socket: Int, to destination: Endpoint, now: Instant
  ) {
    guard sockets.indices.contains(socket), let id = unusedIDs.popLast() else { return }
    let timer = RetransmissionTimer(policy: configuration.retransmission, timeout: timeout(of: server), now: now)
    let probe = Probe(
      id: id, purpose: purpose, server: server, socket: socket, destination: destination, state: .waiting(timer))
    probes.append(probe)
    transmits.append(probe.transmit)
  }

  /// The retransmission timeout towards a server: by its measured round trip if there is one (RFC 8489 6.2.1).
  func timeout(of server: Int) -> Duration {
    servers[server].roundTrip.map(configuration.retransmission.timeout(forRoundTrip:))
      ?? configuration.retransmission.initialTimeout
  }

  mutating func tell(_ event: ExplorationEvent) { events.append(event) }

  mutating func finish(_ report: NetworkReport) {
    isFinished = true
    transmits = []
    tell(.finished(report))
  }
}
