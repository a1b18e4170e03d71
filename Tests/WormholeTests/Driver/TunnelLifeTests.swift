import Datagrams
import NIOCore
import PlexusTesting
import Synchronization
import Testing
import Wormhole

/// Tunnels that come and go while the importer listens.
@Suite(.timeLimit(.minutes(2))) struct TunnelLifeTests {
  @Test func clientsThatComeBeforeTheTunnelWaitForIt() async throws {
    let service = try await TestService.start(.count)
    var configuration = WormholeImporter.Configuration()
    configuration.helloPatience = .seconds(30)
    configuration.clientPatience = .seconds(30)
    let importer = try await WormholeImporter.listen(
      for: [ImportedService(address: .loopback(0))], configuration: configuration, on: TCPTunnel.loop,
      logger: TestLog().logger)
    let port = importer.localAddresses[0].port ?? 0
    async let answer = TestClient.exchange([1, 2, 3, 4], with: port)
    try await Task.sleep(for: .milliseconds(50))
    let exporter = WormholeExporter([.on(service)], logger: TestLog().logger)
    let tunnel = try await TCPTunnel.make(importerOn: importer.eventLoop)
    async let importerRun: Void = importer.run(tunnel.importer)
    async let exporterRun: Void = exporter.run(tunnel.exporter)
    #expect(try await answer == Array("4".utf8))
    await tunnel.close()
    await importer.close()
    _ = try? await (importerRun, exporterRun)
    await service.stop()
  }

  @Test func clientsAreRefusedWhenNoTunnelComes() async throws {
    var configuration = WormholeImporter.Configuration()
    configuration.clientPatience = .milliseconds(50)
    let log = TestLog()
    let importer = try await WormholeImporter.listen(
      for: [ImportedService(address: .loopback(0))], configuration: configuration, on: TCPTunnel.loop,
      logger: log.logger)
    let port = importer.localAddresses[0].port ?? 0
    for _ in 0..<3 {
      // A client that is slow to read may see the end and not the reset.
      let answer = try? await TestClient.echo([1], with: port)
      #expect(answer ?? [] == [])
    }
    // Three clients, one line.
    #expect(log.sentences(from: .warning).count == 1)
    await importer.close()
  }

  @Test func newClientsOfASilentFarEndAreRefusedAndOldOnesGoOn() async throws {
    let service = try await TestService.start(.echo)
    try await Wormholes.run(exporting: [.on(service)], clientPatience: .seconds(2)) { wormholes in
      let port = wormholes.port()
      try await TestClient.connect(to: port).executeThenClose { inbound, outbound in
        var answers = inbound.makeAsyncIterator()
        try await outbound.write(ByteBuffer(bytes: [1]))
        let first = try await answers.next()
        #expect(first == ByteBuffer(bytes: [1]))
        // As after kill -9, until it is there again.
        try await wormholes.tunnel.exporter.setOption(.autoRead, value: false).get()
        let refused = try? await TestClient.exchange([2], with: port)
        #expect(refused ?? [] == [])
        #expect(wormholes.log.contains("the far end does not answer"))
        try await wormholes.tunnel.exporter.setOption(.autoRead, value: true).get()
        try await outbound.write(ByteBuffer(bytes: [3]))
        let second = try await answers.next()
        #expect(second == ByteBuffer(bytes: [3]))
        let third = try await TestClient.echo([4], with: port)
        #expect(third == [4])
      }
    }
    await service.stop()
  }

  /// It knows no word for an answer.
  @Test func aServiceOfAnOldFarEndMayBeSilent() async throws {
    let service = try await TestService.start(.count)
    try await Wormholes.run(exporting: [.on(service)], isExporterPlain: true, clientPatience: .seconds(1)) {
      wormholes in
      // On a machine without a core to spare the tunnel may be late for the first.
      let streams = try await tryingAgain(attempts: 4, pause: .zero) {
        $0 == 1
      } _: {
        try await TestClient.connect(to: wormholes.port()).executeThenClose { inbound, outbound in
          try? await outbound.write(ByteBuffer(bytes: [1]))
          // Longer than a Swift one would have had.
          try await Task.sleep(for: .seconds(4))
          return wormholes.importer.status.streams
        }
      }
      #expect(streams == 1)
    }
    await service.stop()
  }

  /// A way to the same exporter again and again.
  private final class Reconnecting: TunnelConnector {
    let exporter: WormholeExporter
    let tunnels = Mutex<[any Channel]>([])
    let refusals: Atomic<Int>
    var description: String { "the test" }

    init(_ exporter: WormholeExporter, refusals: Int) {
      self.exporter = exporter
      self.refusals = Atomic(refusals)
    }

    func connect(on eventLoop: any EventLoop) async throws -> any Channel {
      if refusals.subtract(1, ordering: .relaxed).oldValue > 0 {
        throw WormholeError(.farEndUnreachable, "the far end refuses")
      }
      let tunnel = try await TCPTunnel.make(importerOn: eventLoop)
      tunnels.withLock { $0.append(tunnel.importer) }
      Task { [exporter] in try? await exporter.run(tunnel.exporter) }
      return tunnel.importer
    }
  }

  @Test func aBrokenTunnelIsBuiltAgainAndClientsGoOn() async throws {
    let service = try await TestService.start(.echo)
    let log = TestLog()
    let importer = try await WormholeImporter.listen(
      for: [ImportedService(address: .loopback(0))], on: TCPTunnel.loop, logger: log.logger)
    let connector = Reconnecting(WormholeExporter([.on(service)], logger: TestLog().logger), refusals: 2)
    var policy = TunnelPolicy()
    policy.isRetrying = true
    policy.pause = .milliseconds(20)
    let keeping = Task { [policy] in
      try await policy.keepTunnel(by: connector, on: importer.eventLoop, logger: log.logger) {
        try await importer.run($0)
      }
    }
    let port = importer.localAddresses[0].port ?? 0
    for round in 1...3 {
      #expect(try await TestClient.echo([UInt8(round)], with: port) == [UInt8(round)])
      let tunnel = connector.tunnels.withLock { $0.last }
      try? await tunnel?.close()
    }
    #expect(connector.tunnels.withLock { $0.count } >= 3)
    keeping.cancel()
    _ = try? await keeping.value
    await importer.close()
    await service.stop()
  }

  @Test func withoutRetryAFarEndThatRefusesIsGivenUp() async throws {
    let connector = Reconnecting(WormholeExporter([], logger: TestLog().logger), refusals: .max)
    var policy = TunnelPolicy()
    policy.patience = .milliseconds(100)
    policy.pause = .milliseconds(20)
    do {
      try await policy.keepTunnel(by: connector, on: TCPTunnel.loop, logger: TestLog().logger) { _ in }
      Issue.record("it was not given up")
    } catch let error as WormholeError {
      #expect(error.code == .farEndUnreachable)
    }
    #expect(Int.max - connector.refusals.load(ordering: .relaxed) >= 2)
  }

  /// No resolver asks anybody for a name whose label is too long.
  @Test func anAddressThatIsNotFoundIsToldInWords() async throws {
    let host = String(repeating: "x", count: 64) + ".invalid"
    let error = await #expect(throws: WormholeError.self) {
      _ = try await WormholeImporter.listen(
        for: [ImportedService(address: HostAndPort(host: host, port: 2222))], on: TCPTunnel.loop,
        logger: TestLog().logger)
    }
    #expect(error?.code == .notListening)
    let sentence = error?.description ?? ""
    #expect(sentence.contains("\(host) was not found") && sentence.contains("check the name"), "\(sentence)")
    #expect(!sentence.contains("SocketAddressError"))
  }

  @Test func bothEndsImportingIsTold() async throws {
    let importers = [
      try await WormholeImporter.listen(for: [], on: TCPTunnel.loop, logger: TestLog().logger),
      try await WormholeImporter.listen(for: [], on: TCPTunnel.loop, logger: TestLog().logger),
    ]
    let tunnel = try await TCPTunnel.make(importerOn: importers[0].eventLoop, exporterOn: importers[1].eventLoop)
    async let other: Void = importers[1].run(tunnel.exporter)
    do {
      try await importers[0].run(tunnel.importer)
      _ = try await other
      Issue.record("nothing was said")
    } catch {
      #expect("\(error)".contains("both ends of the tunnel import"))
    }
    await tunnel.close()
    for importer in importers { await importer.close() }
  }
}
