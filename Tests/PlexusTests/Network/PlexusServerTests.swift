import DatagramSockets
import Datagrams
import Logging
import PlexusTesting
import STUN
import Testing

@testable import Plexus
@testable import RendezvousDHT

/// Serving and exploring, on loopback.
@Suite(.timeLimit(.minutes(2))) struct PlexusServerTests {
  private static let loopback = IPAddress.v4(0x7F00_0001)
  private static let second = IPAddress.v4(0x7F00_0002)

  private func configuration(_ addresses: [IPAddress]) -> PlexusServer.Configuration {
    var configuration = PlexusServer.Configuration()
    configuration.addresses = addresses
    (configuration.stunPort, configuration.dhtPort) = (0, 0)
    configuration.dhtNetwork = .random(in: 1...UInt32.max)
    return configuration
  }

  private func withServer(
    _ configuration: PlexusServer.Configuration, _ body: @Sendable @escaping (PlexusServer) async throws -> Void
  ) async throws {
    let server = try await PlexusServer.start(configuration, logger: Logger(label: "test") { _ in LogRecorder() })
    try await withThrowingTaskGroup { group in
      group.addTask { try await server.run() }
      group.addTask { try await body(server) }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  private func name(_ endpoint: Endpoint) -> HostAndPort {
    HostAndPort(host: "\(endpoint.address)", port: endpoint.port)
  }

  @Test func twoAddressesAndTwoPortsTellEverything() async throws {
    try await withServer(configuration([Self.loopback, Self.second])) { server in
      let first = try #require(server.stunEndpoints.first)
      let report = try await tryingAgain(until: { $0.decisive?.filtering == .endpointIndependent }) {
        try await NetworkExploration(stunServers: [name(first)]).run()
      }
      let seen = try #require(report.decisive)
      #expect(seen.isTranslated == false && seen.filtering == .endpointIndependent && report.failure == nil)
      #expect(Set(server.stunEndpoints.map(\.address)).count == 2 && server.stunEndpoints.count == 4)
      #expect(server.counts.answered > 0)
    }
  }

  @Test func oneAddressServesOnTwoPorts() async throws {
    try await withServer(configuration([Self.loopback])) { server in
      let first = try #require(server.stunEndpoints.first)
      let report = try await tryingAgain(until: { $0.decisive?.servers.first?.other != nil }) {
        try await NetworkExploration(stunServers: [name(first)]).run()
      }
      let seen = try #require(report.decisive)
      #expect(seen.isTranslated == false && seen.filtering == .unknown)
      #expect(seen.servers.first?.other?.address == Self.loopback)
    }
  }

  @Test func silentAndUnresolvableServersAreNamed() async throws {
    let mute = try await UDPSocket.bind(to: Endpoint(address: Self.loopback, port: 0))
    try await withServer(configuration([Self.loopback, Self.second])) { server in
      let first = try #require(server.stunEndpoints.first)
      let unknown = HostAndPort(host: "no.such.host.invalid", port: nil)
      let report = try await tryingAgain(until: { $0.decisive?.filtering == .endpointIndependent }) {
        try await NetworkExploration(stunServers: [name(mute.localEndpoint), unknown, name(first)]).run()
      }
      let servers = try #require(report.ipv4.report?.servers)
      #expect(servers.map(\.outcome.kind) == [.silent, .answered])
      #expect(report.unresolved.map(\.name) == [unknown])
      #expect(report.decisive?.filtering == .endpointIndependent)
    }
    await mute.close()
  }

  @Test func aFamilyThatTheLocalEndpointIsNotOfIsLeftOut() async throws {
    try await withServer(configuration([Self.loopback])) { server in
      let first = try #require(server.stunEndpoints.first)
      var exploration = NetworkExploration(stunServers: [name(first)])
      exploration.local = Endpoint(address: Self.second, port: 0)
      let report = try await tryingAgain(until: { $0.decisive?.publicEndpoint != nil }) { [exploration] in
        try await exploration.run()
      }
      guard case .absent(.leftOut) = report.ipv6 else { throw LocalRouteTrouble() }
      #expect(report.decisive?.publicEndpoint?.address == Self.second)
    }
  }
  private struct LocalRouteTrouble: Error {}

  @Test func otherNodesJoinByIt() async throws {
    let configuration = configuration([Self.loopback])
    try await withServer(configuration) { server in
      let board = StatusBoard()
      let node = try DHTNode(
        .init(port: 0, address4: "127.0.0.1", address6: nil, network: configuration.dhtNetwork, serves: false),
        onStatus: { board.post($0) })
      let endpoint = try #require(server.dhtEndpoints.first)
      node.ping(address: "\(endpoint.address)", port: endpoint.port)
      await board.wait { $0 == .connected }
      node.stop()
    }
  }

  @Test func theOptionsNameWhatIsNotStandard() async throws {
    var configuration = configuration([Self.loopback, Self.second])
    try await withServer(configuration) { [configuration] server in
      let options = try #require(server.clientOptions.first)
      let stun = server.stunEndpoints.prefix(2).map(\.description).joined(separator: ",")
      let node = try #require(server.dhtEndpoints.first)
      #expect(
        options == [
          "--stun-server", stun, "--dht-bootstrap", "\(node)", "--dht-network", "\(configuration.dhtNetwork)",
        ])
    }
    configuration.publicName = "example.org"
    configuration.dhtNetwork = 0
    try await withServer(configuration) { server in
      let (stun, node) = (try #require(server.stunEndpoints.first), try #require(server.dhtEndpoints.first))
      #expect(
        server.clientOptions == [
          ["--stun-server", "example.org:\(stun.port)", "--dht-bootstrap", "example.org:\(node.port)"]
        ])
    }
  }

  @Test func aTakenPortIsNamedAndNothingStaysBound() async throws {
    let taken = try await UDPSocket.bind(to: Endpoint(address: Self.loopback, port: 0))
    var configuration = configuration([Self.loopback])
    configuration.dhtPort = taken.localEndpoint.port
    let error = await #expect(throws: PlexusError.self) {
      _ = try await PlexusServer.start(configuration, logger: Logger(label: "test") { _ in LogRecorder() })
    }
    #expect(error?.code == .portTaken && error?.description.contains("\(taken.localEndpoint.port)") == true)
    await taken.close()
  }

  @Test(arguments: ["192.0.2.77", "0.0.0.0", "224.0.0.1", "::"])
  func anAddressThatIsNotOfThisMachineIsRefusedInOneSentence(text: String) async throws {
    let address = try #require(IPAddress(text))
    let configuration = configuration([address])
    let error = await #expect(throws: PlexusError.self) {
      _ = try await PlexusServer.start(configuration, logger: Logger(label: "test") { _ in LogRecorder() })
    }
    #expect(error?.code == .invalidOption && error?.description.contains("\(address)") == true)
  }
}
