import DatagramSockets
import Datagrams
import Logging
import NIOCore
import Testing
import Tubus
import Wormhole

/// Both ends over tubus, as the program runs them.
@Suite(.timeLimit(.minutes(2))) struct TubusTunnelTests {
  private static func freePort() async throws -> Endpoint {
    let socket = try await UDPSocket.bind(to: Endpoint(address: .v4(0x7F00_0001), port: 0))
    await socket.close()
    return socket.localEndpoint
  }

  private static func configuration(_ secret: UInt64) -> TubusConfiguration {
    var configuration = TubusConfiguration()
    configuration.secret = secret
    configuration.linkTimeout = .seconds(5)
    return configuration
  }

  private static func keep(
    _ tunnel: TubusTunnel, on loop: any EventLoop, log: TestLog,
    use: @escaping @Sendable (any Channel) async throws -> Void
  ) -> Task<Void, any Error> {
    var policy = TunnelPolicy()
    policy.isRetrying = true
    policy.pause = .milliseconds(50)
    return Task { [policy] in
      try await policy.keepTunnel(by: tunnel, on: loop, logger: log.logger, use: use)
    }
  }

  @Test(arguments: [0, 0x1234_5678_9ABC_DEF0] as [UInt64])
  func bytesComeBackAndAnImporterThatBeganAnewIsTakenAtOnce(secret: UInt64) async throws {
    let service = try await TestService.start(.echo)
    let (here, there) = (try await Self.freePort(), try await Self.freePort())
    let log = TestLog()
    let exporter = WormholeExporter([.on(service)], logger: log.logger)
    let exporting = TubusTunnel(.accepting, local: there, remote: here, configuration: Self.configuration(secret))
    let exporterRun = Self.keep(exporting, on: TCPTunnel.loop, log: log) { try await exporter.run($0) }
    let bytes = (0..<2_000_000).map { UInt8(truncatingIfNeeded: $0 &* 29 ^ $0 >> 8) }
    for _ in 1...2 {
      let importer = try await WormholeImporter.listen(
        for: [ImportedService(address: .loopback(0))], on: TCPTunnel.loop, logger: log.logger)
      let importing = TubusTunnel(.connecting, local: here, remote: there, configuration: Self.configuration(secret))
      let importerRun = Self.keep(importing, on: importer.eventLoop, log: log) { try await importer.run($0) }
      let answer = try? await TestClient.echo(bytes, with: importer.localAddresses[0].port ?? 0)
      if answer == nil { Issue.record("\(log.sentences(from: .debug))") }
      let isWhole = answer == bytes
      #expect(isWhole)
      // Its socket closed under it, the tunnel says nothing to the far end.
      await importing.close()
      importerRun.cancel()
      _ = try? await importerRun.value
      await importer.close()
    }
    exporterRun.cancel()
    _ = try? await exporterRun.value
    await exporting.close()
    await service.stop()
  }

  /// What is still under way holds the stream for as long as the far end may come back, here five minutes.
  @Test func aCancelledTunnelEndsThoughItsFarEndWentWithoutAWord() async throws {
    let service = try await TestService.start(.echo)
    let (here, there) = (try await Self.freePort(), try await Self.freePort())
    let log = TestLog()
    var configuration = Self.configuration(1)
    configuration.silenceTimeout = .seconds(300)
    let exporter = WormholeExporter([.on(service)], logger: log.logger)
    let exporting = TubusTunnel(.accepting, local: there, remote: here, configuration: configuration)
    let exporterRun = Self.keep(exporting, on: TCPTunnel.loop, log: log) { try await exporter.run($0) }
    let importer = try await WormholeImporter.listen(
      for: [ImportedService(address: .loopback(0))], on: TCPTunnel.loop, logger: log.logger)
    let port = importer.localAddresses[0].port ?? 0
    let importing = TubusTunnel(.connecting, local: here, remote: there, configuration: configuration)
    let importerRun = Self.keep(importing, on: importer.eventLoop, log: log) { try await importer.run($0) }
    #expect(try await TestClient.echo([1, 2, 3], with: port) == [1, 2, 3])
    // Its socket closed under it, the tunnel says nothing.
    await exporting.close()
    exporterRun.cancel()
    try await TestClient.connect(to: port).executeThenClose { _, outbound in
      try await outbound.write(ByteBuffer(repeating: 1, count: 100_000))
      importerRun.cancel()
      _ = try? await importerRun.value
    }
    _ = try? await exporterRun.value
    await importing.close()
    await importer.close()
    await service.stop()
  }
}
