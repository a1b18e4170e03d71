import COpenDHT
import Datagrams
import FoundationEssentials
import Identity
import Logging
import PlexusTesting
import Rendezvous
import Testing

@testable import RendezvousDHT

/// A DHT of one bootstrap node on loopback, with a network id of its own, and those who take part in it.
final class TestNetwork: Sendable {
  let id = UInt32.random(in: 1...UInt32.max)
  /// Unix seconds when the network was made: the number of most invites.
  let now = UInt64(Date().timeIntervalSince1970)
  let bootstrap: DHTNode

  init() throws {
    bootstrap = try DHTNode(
      .init(port: 0, address4: "127.0.0.1", address6: nil, network: id, serves: true), onStatus: { _ in })
  }

  var configuration: DHTConfiguration {
    DHTConfiguration(
      bootstrap: [HostAndPort(host: "127.0.0.1", port: bootstrap.port)], port: .fixed(0), network: id,
      address4: IPAddress("127.0.0.1"), address6: nil)
  }

  /// Calls `body` with a fresh network.
  static func run<Result: Sendable>(_ body: (TestNetwork) async throws -> Result) async throws -> Result {
    try await HeavyTests.run {
      let network = try TestNetwork()
      defer { network.bootstrap.stop() }
      return try await body(network)
    }
  }

  /// Calls `body` with `own` as a joined participant that knows `peers`.
  func join<Result: Sendable>(
    as own: OwnIdentity, knowing peers: [OwnIdentity], memory: ReplayMemory = ReplayMemory(),
    numbers: InviteNumbers = InviteNumbers(),
    clockAheadBy ahead: Int64 = 0, log: LogRecorder? = nil,
    _ body: @Sendable (Participant) async throws -> Result
  ) async throws -> Result {
    try await withTemporaryFolder { folder in
      for peer in peers { try know(peer, in: folder) }
      let repository = try ApplicationRepository(path: folder)
      let logger = Logger(label: "test") { _ in log ?? LogRecorder() }
      let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
      let rendezvous = try DHTRendezvous(
        own: own, configuration: configuration, memory: memory, numbers: numbers,
        directory: { PeerDirectory(repository, matching: $0, logger: quiet) },
        unixSeconds: { UInt64(clamping: Int64(Date().timeIntervalSince1970) + ahead) }, onEvent: { _ in },
        logger: logger)
      try await rendezvous.join(timeout: .seconds(20))
      do {
        let result = try await body(Participant(rendezvous: rendezvous, own: own, folder: folder))
        await rendezvous.leave()
        return result
      } catch {
        await rendezvous.leave()
        throw error
      }
    }
  }

  /// A node that puts and listens by itself, as a stranger or the reference would.
  func node() async throws -> DHTNode {
    let board = StatusBoard()
    let node = try DHTNode(
      .init(port: 0, address4: "127.0.0.1", address6: nil, network: id, serves: true), onStatus: board.post)
    node.ping(address: "127.0.0.1", port: bootstrap.port)
    await board.wait { $0 == .connected }
    return node
  }
}

struct Participant: Sendable {
  let rendezvous: DHTRendezvous
  let own: OwnIdentity
  let folder: String
}

/// The application of all tests; the network ids keep them apart.
let app = "test-app"

func reference(_ port: UInt16 = 40_000, puzzle: UInt64 = .random(in: 1...UInt64.max)) throws -> Reference {
  try Reference(endpoint: Endpoint(address: .v4(0xC633_6407), port: port), puzzle: puzzle)
}

func key(to recipient: OwnIdentity, _ subject: String) -> DHTKey {
  DHTKey(recipient: recipient.identity.certificateID, application: app, subject: subject)
}

extension SealedValue {
  /// Data as they are, signed or not.
  convenience init(raw data: [UInt8], signedBy signer: OwnIdentity? = nil, id: UInt64) throws {
    let pem = Array((signer?.privateKeyPEM ?? "").utf8)
    let privateKey = signer == nil ? nil : codht_private_key_read(pem, pem.count, nil)
    defer { codht_private_key_free(privateKey) }
    self.init(owning: try #require(codht_value_raw(data, data.count, privateKey, id, nil)))
  }
}
