import Datagrams
import Logging
import NIOCore
import Wormhole

/// An importer and an exporter with a tunnel between them.
struct Wormholes {
  let importer: WormholeImporter
  let exporter: WormholeExporter
  let tunnel: TCPTunnel
  let log: TestLog

  /// The port of an imported service.
  func port(_ index: Int = 0) -> Int { importer.localAddresses[index].port ?? 0 }

  /// Runs `body` beside both ends, and closes them.
  static func run(
    exporting services: [ExportedService], importing imports: [ImportedService]? = nil, isImporterPlain: Bool = false,
    isExporterPlain: Bool = false, clientPatience: Duration = .seconds(10), body: (Wormholes) async throws -> Void
  ) async throws {
    let log = TestLog()
    var importing = WormholeImporter.Configuration()
    importing.isPlain = isImporterPlain
    importing.clientPatience = clientPatience
    importing.helloPatience = isExporterPlain ? .milliseconds(100) : .seconds(30)
    var exporting = WormholeExporter.Configuration()
    exporting.isPlain = isExporterPlain
    let importer = try await WormholeImporter.listen(
      for: imports ?? [ImportedService(address: .loopback(0))], configuration: importing, on: TCPTunnel.loop,
      logger: log.logger)
    let exporter = WormholeExporter(services, configuration: exporting, logger: log.logger)
    let tunnel = try await TCPTunnel.make(importerOn: importer.eventLoop)
    let wormholes = Wormholes(importer: importer, exporter: exporter, tunnel: tunnel, log: log)
    async let importerRun: Void = importer.run(tunnel.importer)
    async let exporterRun: Void = exporter.run(tunnel.exporter)
    let result: Result<Void, any Error>
    do { result = .success(try await body(wormholes)) } catch { result = .failure(error) }
    await tunnel.close()
    await importer.close()
    _ = try? await (importerRun, exporterRun)
    try result.get()
  }
}

extension HostAndPort {
  static func loopback(_ port: Int) -> HostAndPort { HostAndPort(host: "127.0.0.1", port: UInt16(clamping: port)) }
}

extension ExportedService {
  static func on(_ service: TestService, name: String = "") -> ExportedService {
    ExportedService(name: name, address: .loopback(service.port))
  }
}
