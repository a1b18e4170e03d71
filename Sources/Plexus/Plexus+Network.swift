import DatagramSockets
import Datagrams
import HolePunching
import Identity
import NIOCore
import PortMapping
import Rendezvous
import STUN

extension Plexus {
  /// Finds out what the own network does, by the STUN servers and from the local address of the configuration.
  ///
  /// - Parameter budget: It never takes longer. A third of it is for looking up names.
  /// - Returns: a report, also if no server answered: ``ExplorationReport/failure`` says so.
  /// - Throws: ``PlexusError`` if the local endpoint cannot be bound or no server was named; `CancellationError`.
  public func explore(budget: Duration = .milliseconds(1400)) async throws -> ExplorationReport {
    try await NetworkExploration(
      stunServers: configuration.stunServers, local: configuration.localEndpoint, budget: budget,
      metrics: telemetry.metrics
    ).run()
  }

  /// - Parameter eventLoop: where a stream lives that goes on over the socket; nil takes any.
  func bindSocket(on eventLoop: (any EventLoop)? = nil) async throws -> UDPSocket {
    try await UDPSocket.bind(to: configuration.localEndpoint, on: eventLoop ?? configuration.eventLoops)
  }

  /// What the peer is told: where we are, and what goes beyond that.
  func reference(to ground: PassageGround, continuing token: StreamToken?) throws -> Reference {
    try Reference(
      endpoint: ground.publicEndpoint, puzzle: .random(in: .min ... .max),
      supplement: .text(PassageSupplement(continues: token, offer: ground.offer).text),
      offersSecureStream: configuration.purpose == .streams)
  }

  /// Refuses a peer whose stream would not be encrypted, where that is required.
  func checkSecurity(of peer: PeerIdentity, offering theirs: Reference) throws(PlexusError) {
    guard configuration.purpose == .streams, configuration.security == .required, !theirs.offersSecureStream else {
      return
    }
    throw PlexusError(
      .notSecure,
      "\(peer.name) cannot encrypt the stream: it runs a C++ tool, an early release of Plexus, or a payload program",
      advice: "let it use --export or --import of a present release, or allow it by --secure=prefer")
  }

  /// Whether a stream over a passage can be carried on by another: not where the port is fixed, which the old one holds.
  var canContinueStreams: Bool { configuration.purpose == .streams && configuration.localEndpoint.port == 0 }

  /// Learns the public endpoint of a socket.
  ///
  /// - Parameter isMain: whether what is found is told.
  /// - Throws: ``STUNError``, or `CancellationError`.
  func publicMapping(of socket: UDPSocket, isMain: Bool = true) async throws -> MappingReport {
    let (servers, failures) = await directory.servers()
    // Whoever is cancelled has nothing to blame name servers for.
    try Task.checkCancellation()
    for failure in failures where isMain && !servers.isEmpty { telemetry.tell(.serverUnresolved(failure)) }
    if servers.isEmpty, let failure = failures.first { throw failure }
    let report = try await STUNClient.discoverMapping(on: socket, servers: servers, retransmission: .brief) { event in
      if isMain, case .serverFailed(let server, let outcome) = event { telemetry.tell(.serverFailed(server, outcome)) }
    }
    if isMain { telemetry.tell(.mapped(report)) }
    return report
  }

  /// Keeps the NATs' mappings alive until cancelled.
  func keepMappingAlive(of ground: PassageGround) async throws {
    try await withThrowingTaskGroup { group in
      if let report = ground.mapping { group.addTask { try await keepAlive(ground.main, report) } }
      for asked in ground.otherMappings {
        group.addTask { try await keepAlive(asked.socket.socket, asked.mapping) }
      }
      try await group.waitForAll()
    }
  }

  private func keepAlive(_ socket: UDPSocket, _ report: MappingReport) async throws {
    // Whoever told a public endpoint has answered.
    guard let server = report.fastestServer else { return }
    try await STUNClient.keepMappingAlive(on: socket, server: server, publicEndpoint: report.publicEndpoint) {
      telemetry.tell(.mappingChanged(to: $0, from: report.publicEndpoint))
    }
  }

  /// Makes the passage: on the best path of all that both sides told or, with a peer of version 3.0, by punching the one that its reference line tells. Of
  /// the sockets only the passage's stays open.
  func meet(_ exchange: Exchange, on ground: PassageGround, as role: PunchRole) async throws -> Passage {
    guard let offers = exchange.offers else {
      await ground.closeOthers()
      try ground.checkPunchable()
      return try await punch(exchange, on: ground, as: role)
    }
    var configuration = PathConfiguration()
    configuration.timeout = self.configuration.handshakeTimeout
    configuration.lowHopLimit = self.configuration.punchHops
    if self.configuration.email != nil { configuration.lowHopLimitPeriod = Self.mailPatience }
    let (path, socket) = try await keepingLease(of: ground) {
      try await findPath(
        to: "\(exchange.peer.name)", as: role, own: offers.own, peer: offers.theirs, on: ground.sockets,
        openingOn: ground.main.eventLoop, configuration: configuration, turns: self.configuration.pathTurns,
        attempt: exchange.attempt)
    }
    telemetry.tell(.pathFound(peer: exchange.peer.name, path: path))
    return passage(
      exchange, as: role, socket: socket, outer: path.mapped ?? ground.publicEndpoint, alien: path.peer,
      roundTrip: path.roundTrip)
  }

  /// Keeps the forwarding of the main socket from delaying a passage that goes over another one, where the main one is closed.
  private func keepingLease(
    of ground: PassageGround, _ find: () async throws -> (FoundPath, UDPSocket)
  ) async throws -> (path: FoundPath, socket: UDPSocket) {
    let leases = ground.main.detachCompanions()
    do {
      let (path, socket) = try await find()
      for lease in leases {
        socket.attach(socket === ground.main ? lease : ClosingCompanion(lease))
      }
      return (path, socket)
    } catch {
      for lease in leases { await lease.socketDidClose() }
      throw error
    }
  }

  /// How long an answer by mail may take to reach the inviter: an inbox that is asked every few seconds, and a server that looks at mail before it delivers it.
  private static let mailPatience: Duration = .seconds(20)

  private func punch(_ exchange: Exchange, on ground: PassageGround, as role: PunchRole) async throws -> Passage {
    var configuration = PunchConfiguration()
    configuration.timeout = self.configuration.handshakeTimeout
    configuration.lowHopLimit = self.configuration.punchHops
    if self.configuration.email != nil { configuration.lowHopLimitPeriod = Self.mailPatience }
    if ground.isForwarded { configuration.openingDelay = Self.forwardedOpeningDelay }
    let result = try await HolePunching.punch(
      on: ground.main, as: role, secret: exchange.secret.value, peer: exchange.theirs.endpoint,
      configuration: configuration)
    telemetry.tell(.punched(peer: exchange.peer.name, result: result))
    return passage(
      exchange, as: role, socket: ground.main, outer: ground.publicEndpoint, alien: exchange.theirs.endpoint,
      roundTrip: result.roundTrip)
  }

  /// An inviter that has the answer is heard within seconds. Where it is not, the router may have told of a mapping that it has not: the other half of the
  /// time is for an opening.
  private static let forwardedOpeningDelay: Duration = .seconds(30)

  private func passage(
    _ exchange: Exchange, as role: PunchRole, socket: UDPSocket, outer: Endpoint, alien: Endpoint, roundTrip: Duration?
  ) -> Passage {
    Passage(
      description: PassageDescription(
        host: host, peer: exchange.peer.name, inner: socket.localEndpoint, outer: outer, alien: alien,
        secret: exchange.secret, files: PassageDescription.Files(of: host, and: exchange.peer.name, in: repository)),
      socket: socket, roundTrip: roundTrip, isSecurable: exchange.isSecurable, role: role, plexus: unjoined,
      identity: exchange.peer, continues: exchange.continues)
  }
}
