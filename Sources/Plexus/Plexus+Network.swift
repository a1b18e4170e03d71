import DatagramSockets
import Datagrams
import HolePunching
import Identity
import NIOCore
import Rendezvous
import STUN

extension Plexus {
  /// - Parameter eventLoop: where a stream lives that goes on over the socket; nil takes any.
  func bindSocket(on eventLoop: (any EventLoop)? = nil) async throws -> UDPSocket {
    try await UDPSocket.bind(to: configuration.localEndpoint, on: eventLoop ?? configuration.eventLoops)
  }

  /// What the peer is told: where we are, and what goes beyond that.
  func reference(at endpoint: Endpoint, continuing token: StreamToken?) throws -> Reference {
    try Reference(
      endpoint: endpoint, puzzle: .random(in: .min ... .max),
      supplement: .text(PassageSupplement(continues: token).text),
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

  /// Learns the public endpoint of a socket and refuses a symmetric NAT, behind which no peer could be told where to send.
  func publicMapping(of socket: UDPSocket) async throws -> MappingReport {
    let (servers, failures) = await directory.servers()
    for failure in failures where !servers.isEmpty { telemetry.tell(.serverUnresolved(failure)) }
    if servers.isEmpty, let failure = failures.first { throw failure }
    let report = try await STUNClient.discoverMapping(on: socket, servers: servers) { event in
      if case .serverFailed(let server, let outcome) = event { telemetry.tell(.serverFailed(server, outcome)) }
    }
    telemetry.tell(.mapped(report))
    guard report.mapping.isSymmetric != true else {
      throw PlexusError(
        .symmetricNAT,
        "the NAT of this network is symmetric: it gives every destination another public port, so no peer can be told where "
          + "to send",
        advice: "use another network here, such as a telephone's, or have the router forward a UDP port")
    }
    return report
  }

  /// Keeps the NAT's mapping alive until cancelled.
  func keepMappingAlive(of socket: UDPSocket, as report: MappingReport) async throws {
    // Whoever told a public endpoint has answered.
    guard let server = report.fastestServer else { return }
    try await STUNClient.keepMappingAlive(on: socket, server: server, publicEndpoint: report.publicEndpoint) {
      changed in
      telemetry.tell(.mappingChanged(to: changed, from: report.publicEndpoint))
    }
  }

  /// Punches the hole and makes the passage of it. The socket stays open in any case.
  func punch(
    _ exchange: Exchange, on socket: UDPSocket, as role: PunchRole, mapping: MappingReport
  ) async throws -> Passage {
    var configuration = PunchConfiguration()
    configuration.timeout = self.configuration.handshakeTimeout
    configuration.lowHopLimit = self.configuration.punchHops
    let result = try await HolePunching.punch(
      on: socket, as: role, secret: exchange.secret.value, peer: exchange.theirs.endpoint, configuration: configuration)
    telemetry.tell(.punched(peer: exchange.peer.name, result: result))
    return Passage(
      description: PassageDescription(
        host: host, peer: exchange.peer.name, inner: socket.localEndpoint, outer: mapping.publicEndpoint,
        alien: exchange.theirs.endpoint, secret: exchange.secret,
        files: PassageDescription.Files(of: host, and: exchange.peer.name, in: repository)),
      socket: socket, roundTrip: result.roundTrip, isSecurable: exchange.isSecurable, role: role, plexus: self,
      identity: exchange.peer, continues: exchange.continues)
  }
}
