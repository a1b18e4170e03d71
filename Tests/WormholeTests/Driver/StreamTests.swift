import NIOCore
import Testing
import Wormhole

/// TCP through both ends of ours, over a tunnel on loopback.
@Suite(.timeLimit(.minutes(2))) struct StreamTests {
  @Test(arguments: [(false, false), (true, false), (false, true)])
  func bytesComeBackWhole(isImporterPlain: Bool, isExporterPlain: Bool) async throws {
    let service = try await TestService.start(.echo)
    try await Wormholes.run(
      exporting: [.on(service)], isImporterPlain: isImporterPlain, isExporterPlain: isExporterPlain
    ) { wormholes in
      let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 9) }
      let answer = try await TestClient.echo(bytes, with: wormholes.port())
      let isWhole = answer == bytes
      #expect(isWhole)
    }
    await service.stop()
  }

  @Test func aServiceAnswersAfterItsClientHasEndedItsSide() async throws {
    let service = try await TestService.start(.count)
    try await Wormholes.run(exporting: [.on(service)]) { wormholes in
      let answer = try await TestClient.exchange([UInt8](repeating: 1, count: 300_000), with: wormholes.port())
      #expect(String(decoding: answer, as: UTF8.self) == "300000")
      #expect(try await eventually { wormholes.importer.status.streams == 0 && wormholes.exporter.status.streams == 0 })
    }
    await service.stop()
  }

  @Test func aServiceThatEndsAtOnceEndsItsClient() async throws {
    let service = try await TestService.start(.goodbye)
    try await Wormholes.run(exporting: [.on(service)]) { wormholes in
      let answer = try await TestClient.exchange([], with: wormholes.port())
      #expect(answer.isEmpty)
    }
    await service.stop()
  }

  @Test func aClientOfARefusingServiceIsReset() async throws {
    let refusing = try RefusingPort()
    try await Wormholes.run(exporting: [ExportedService(name: "", address: .loopback(refusing.port))]) { wormholes in
      for _ in 0..<3 {
        let end = try await BlockingClient.send([1, 2, 3], to: wormholes.port())
        #expect(end == .reset)
      }
      // Each end says it once.
      let warnings = wormholes.log.sentences(from: .warning)
        .filter { $0.contains("nobody listens on 127.0.0.1:\(refusing.port)") }
      #expect(
        warnings.count == 2 && warnings.count { $0.hasPrefix("Clients of the far end's service are refused") } == 1)
    }
  }

  @Test func servicesAreToldApartByName() async throws {
    let (echo, count) = (try await TestService.start(.echo), try await TestService.start(.count))
    try await Wormholes.run(
      exporting: [.on(echo), .on(count, name: "count")],
      importing: [
        ImportedService(address: .loopback(0)), ImportedService(address: .loopback(0), name: "count"),
        ImportedService(address: .loopback(0), name: "nothing"),
      ]
    ) { wormholes in
      let echoed = try await TestClient.exchange([1, 2, 3], with: wormholes.port(0))
      let counted = try await TestClient.exchange([1, 2, 3], with: wormholes.port(1))
      #expect(echoed == [1, 2, 3] && counted == Array("3".utf8))
      let end = try await BlockingClient.send([1], to: wormholes.port(2))
      #expect(end == .reset)
      #expect(wormholes.log.contains("Clients of the far end's service \"nothing\" are refused"))
    }
    await echo.stop()
    await count.stop()
  }

  @Test(arguments: [false, true]) func aReaderThatStopsHoldsUpNobody(isPlain: Bool) async throws {
    let (source, echo) = (try await TestService.start(.source), try await TestService.start(.echo))
    // On the old wire there is one service only, so the slow reader is one of it.
    try await Wormholes.run(
      exporting: [.on(isPlain ? echo : source), .on(echo, name: "echo")],
      importing: [ImportedService(address: .loopback(0))]
        + (isPlain ? [] : [ImportedService(address: .loopback(0), name: "echo")]),
      isImporterPlain: isPlain
    ) { wormholes in
      let slow = try await TestClient.connect(to: wormholes.port())
      // Never read from; the connection is closed at the end.
      try await slow.channel.setOption(.autoRead, value: false).get()
      let bytes = [UInt8](repeating: 9, count: 1_000_000)
      if isPlain {
        // More than every buffer on the way and the bound for a stream together.
        let writing = Task {
          for _ in 0..<64 { try await slow.channel.writeAndFlush(ByteBuffer(repeating: 5, count: 1 << 20)).get() }
        }
        #expect(try await eventually { wormholes.log.contains("this stream alone was closed") })
        writing.cancel()
      }
      for _ in 0..<5 {
        let isWhole = try await TestClient.echo(bytes, with: wormholes.port(isPlain ? 0 : 1)) == bytes
        #expect(isWhole)
      }
      try? await slow.channel.close()
    }
    await source.stop()
    await echo.stop()
  }
}
