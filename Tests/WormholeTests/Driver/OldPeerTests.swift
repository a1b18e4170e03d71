import Datagrams
import NIOCore
import Testing
import Wormhole

/// Each role against a program of the old wire.
@Suite(.timeLimit(.minutes(2))) struct OldPeerTests {
  private static let bytes = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 13 ^ $0 >> 7) }

  @Test func ourImporterReachesTheServiceOfAnOldExporter() async throws {
    let service = try await TestService.start(.echo)
    let log = TestLog()
    let importer = try await WormholeImporter.listen(
      for: [ImportedService(address: .loopback(0)), ImportedService(address: .loopback(0), name: "other")],
      on: TCPTunnel.loop, logger: log.logger)
    let tunnel = try await TCPTunnel.make(importerOn: importer.eventLoop)
    try await OldWireProgram.export(service.port, over: tunnel.exporter)
    async let run: Void = importer.run(tunnel.importer)
    let ports = importer.localAddresses.compactMap(\.port)
    try await withThrowingTaskGroup { group in
      for _ in 0..<8 { group.addTask { try await TestClient.echo(Self.bytes, with: ports[0]) } }
      for try await answer in group {
        let isWhole = answer == Self.bytes
        #expect(isWhole)
      }
    }
    // What an old exporter cannot know is refused with a word.
    let end = try await BlockingClient.send([1], to: ports[1])
    #expect(end == .reset)
    #expect(log.contains("older wormhole"))
    #expect(try await eventually { service.open.now.load(ordering: .relaxed) == 0 && importer.status.streams == 0 })
    await tunnel.close()
    await importer.close()
    _ = try? await run
    await service.stop()
  }

  @Test func anOldImporterReachesOurService() async throws {
    let service = try await TestService.start(.echo)
    let exporter = WormholeExporter([.on(service)], logger: TestLog().logger)
    let tunnel = try await TCPTunnel.make(importerOn: TCPTunnel.loop)
    async let run: Void = exporter.run(tunnel.exporter)
    let listener = try await OldWireProgram.importClients(over: tunnel.importer)
    let port = listener.localAddress?.port ?? 0
    try await withThrowingTaskGroup { group in
      for _ in 0..<8 { group.addTask { try await TestClient.echo(Self.bytes, with: port) } }
      for try await answer in group {
        let isWhole = answer == Self.bytes
        #expect(isWhole)
      }
    }
    #expect(try await eventually { service.open.now.load(ordering: .relaxed) == 0 && exporter.status.streams == 0 })
    try await listener.close()
    await tunnel.close()
    _ = try? await run
    await service.stop()
  }

  /// There the service's refusal can only be told as an end.
  @Test func anOldImportersClientIsClosedWhenTheServiceRefuses() async throws {
    let refusing = try RefusingPort()
    let service = ExportedService(name: "", address: .loopback(refusing.port))
    let exporter = WormholeExporter([service], logger: TestLog().logger)
    let tunnel = try await TCPTunnel.make(importerOn: TCPTunnel.loop)
    async let run: Void = exporter.run(tunnel.exporter)
    let listener = try await OldWireProgram.importClients(over: tunnel.importer)
    let answer = try? await TestClient.exchange([], with: listener.localAddress?.port ?? 0)
    #expect(answer ?? [] == [])
    try await listener.close()
    await tunnel.close()
    _ = try? await run
  }
}
