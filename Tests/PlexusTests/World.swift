import DatagramSockets
import Datagrams
import Foundation
import Identity
import Logging
import Metrics
import PlexusTesting
import Rendezvous
import STUN
import Testing

@testable import Plexus
@testable import RendezvousDHT

/// A DHT, a STUN server and two people with identities, all on loopback.
struct World: Sendable {
  static let alice = "alice@example.org/desk"
  static let bob = "bob@example.org/lab"

  let network = UInt32.random(in: 1...UInt32.max)
  let bootstrap: DHTNode
  let stun: STUNService
  let folder: String

  /// Calls `body` with a fresh world, which is gone afterwards.
  static func run(_ body: @Sendable (World) async throws -> Void) async throws {
    try await HeavyTests.run {
      try await withTemporaryFolder { folder in
        let world = try await World(folder: folder)
        defer { world.bootstrap.stop() }
        try await withThrowingTaskGroup { group in
          group.addTask { try await world.stun.run() }
          defer { group.cancelAll() }
          try await body(world)
        }
      }
    }
  }

  private init(folder: String) async throws {
    self.folder = folder
    stun = try await STUNService.bind(addresses: [.v4(0x7F00_0001), .v4(0x7F00_0002)], ports: [0, 0])
    bootstrap = try DHTNode(
      .init(port: 0, address4: "127.0.0.1", address6: nil, network: network, serves: true), onStatus: { _ in })
    for own in [Self.alice, Self.bob] {
      let identity = try #require(try Self.identities.get()[own])
      try Self.write(own, certificate: identity.certificatePEM, key: identity.privateKeyPEM, in: "\(folder)/\(own)")
      for (peer, other) in try Self.identities.get() where peer != own {
        try Self.write(peer, certificate: other.certificatePEM, key: nil, in: "\(folder)/\(own)")
      }
    }
  }

  /// Made once: RSA keys take their time.
  private static let identities = Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("plexus-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let repository = try ApplicationRepository(path: folder)
    return try [alice, bob].reduce(into: [String: OwnIdentity]()) { made, name in
      made[name] = try repository.create(IdentityName(name), options: NewIdentityOptions(bits: 2048))
    }
  }

  private static func write(_ name: String, certificate: String, key: String?, in repository: String) throws {
    try FileManager.default.createDirectory(atPath: "\(repository)/\(name)", withIntermediateDirectories: true)
    try Data(certificate.utf8).write(to: URL(fileURLWithPath: "\(repository)/\(name)/cert.crt"))
    guard let key else { return }
    let path = "\(repository)/\(name)/private.key"
    _ = FileManager.default.createFile(atPath: path, contents: Data(key.utf8), attributes: [.posixPermissions: 0o600])
  }

  /// The repository of one of the two.
  func repository(of name: String) -> String { "\(folder)/\(name)" }

  /// The identity of one of the two, with its private key.
  func identity(_ name: String) throws -> OwnIdentity {
    try ApplicationRepository(path: repository(of: name)).ownIdentity(IdentityName(name))
  }

  /// Plexus for one of the two.
  func plexus(
    _ name: String, log: LogRecorder = LogRecorder(), metrics: any MetricsFactory = NOOPMetricsHandler.instance,
    configure: (inout PlexusConfiguration) throws -> Void = { _ in }
  ) throws -> Plexus {
    let server = try #require(stun.endpoints.first)
    var configuration = PlexusConfiguration(
      application: "test", stunServers: [HostAndPort(host: "\(server.address)", port: server.port)],
      stateFolder: "\(folder)/state")
    configuration.localEndpoint = Endpoint(address: .v4(0x7F00_0001), port: 0)
    configuration.dht = DHTConfiguration(
      bootstrap: [HostAndPort(host: "127.0.0.1", port: bootstrap.port)], port: .fixed(0), network: network,
      address4: .v4(0x7F00_0001), address6: nil)
    try configure(&configuration)
    return try Plexus(
      repository: ApplicationRepository(path: repository(of: name)), host: IdentityName(name),
      configuration: configuration, logger: Logger(label: "test") { _ in log },
      metrics: metrics)
  }

  /// Runs `body` while Bob accepts anybody.
  func whileBobAccepts(
    _ bob: Plexus, perform: @Sendable @escaping (Passage) async throws -> Void = { await $0.socket.close() },
    _ body: @Sendable @escaping () async throws -> Void
  ) async throws {
    try await withThrowingTaskGroup { group in
      group.addTask { try await bob.accept(from: .any, perform: perform) }
      group.addTask { try await body() }
      defer { group.cancelAll() }
      try await group.next()
    }
  }
}

/// A STUN server that answers each request with the endpoint it was told.
func withLyingSTUNServer(
  _ mapped: [Endpoint], _ body: @Sendable @escaping ([HostAndPort]) async throws -> Void
) async throws {
  var sockets: [UDPSocket] = []
  for _ in mapped { sockets.append(try await UDPSocket.bind(to: Endpoint(address: .v4(0x7F00_0001), port: 0))) }
  let servers = sockets.map { HostAndPort(host: "127.0.0.1", port: $0.localEndpoint.port) }
  try await withThrowingTaskGroup { group in
    for (socket, mapped) in zip(sockets, mapped) {
      group.addTask {
        while let datagram = try await socket.receive(until: .distantFuture) {
          let request = try STUNMessage(decoding: datagram.payload)
          let answer = STUNMessage(
            .success, transactionID: request.transactionID, attributes: [.xorMappedAddress(mapped)])
          try await socket.send(Transmit(to: datagram.source, payload: answer.encoded()))
        }
      }
    }
    group.addTask { try await body(servers) }
    defer { group.cancelAll() }
    try await group.next()
  }
  for socket in sockets { await socket.close() }
}
