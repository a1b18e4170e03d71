import DatagramSockets
import Datagrams
import Foundation
import Logging
import PlexusTesting
import Testing

@testable import RendezvousDHT

/// What `plexus serve` remembers of the DHT that it is a part of.
@Suite(.timeLimit(.minutes(2))) struct DHTBootstrapNodeTests {
  @Test func aServerComesBackThoughItsBootstrapHostIsGone() async throws {
    let dead = try await UDPSocket.bind(to: Endpoint(address: .v4(0x7F00_0001), port: 0))
    try await TestNetwork.run { network in
      try await withTemporaryFolder { folder in
        var configuration = network.configuration
        configuration.cacheFolder = folder
        try await connect(configuration)
        #expect(try nodes(in: folder, of: network).map(\.port) == [network.bootstrap.port])
        configuration.bootstrap = [HostAndPort(host: "127.0.0.1", port: dead.localEndpoint.port)]
        try await connect(configuration)
      }
    }
    await dead.close()
  }

  @Test func aServerOfADHTOfItsOwnKeepsAndAsksNobody() async throws {
    try await TestNetwork.run { network in
      try await withTemporaryFolder { folder in
        var configuration = network.configuration
        (configuration.bootstrap, configuration.cacheFolder) = ([], folder)
        let log = LogRecorder()
        let node = try DHTBootstrapNode(configuration, logger: Logger(label: "test") { _ in log })
        let running = Task { await node.run() }
        running.cancel()
        await running.value
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty && log.events.isEmpty)
      }
    }
  }

  /// Runs a server until it is connected.
  private func connect(_ configuration: DHTConfiguration) async throws {
    let node = try DHTBootstrapNode(configuration, logger: Logger(label: "test") { _ in LogRecorder() })
    let (events, feed) = AsyncStream.makeStream(of: DHTEvent.self)
    let running = Task { await node.run { feed.yield($0) } }
    for await event in events where event == .connected { break }
    running.cancel()
    await running.value
  }

  private func nodes(in folder: String, of network: TestNetwork) throws -> [Endpoint] {
    let text = try String(contentsOfFile: "\(folder)/dht-nodes-\(network.id)-server", encoding: .utf8)
    return try #require(KnownNodes(text: text)).endpoints
  }
}
