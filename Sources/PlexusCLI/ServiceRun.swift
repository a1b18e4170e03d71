import CLISupport
import Logging
import Plexus

/// The part of a run in which passages carry services instead of starting a payload.
struct ServiceRun: Sendable {
  let plexus: Plexus
  let counterpart: Counterpart
  let console: ConsoleLog
  let logger: Logger
  let showsStatus: Bool

  func export(_ services: [ExportedService]) async throws {
    let exporter = WormholeExporter(services, logger: logger)
    try await watching({ exporter.status }) { try await plexus.export(exporter, to: counterpart) }
  }

  func importServices(_ services: [ImportedService], on importer: WormholeImporter) async throws {
    for (service, address) in zip(services, importer.localAddresses) {
      logger.info(
        "Listening for clients of \(service.listening(on: address.port))",
        metadata: ["event": "wormhole.listening", "port": "\(address.port ?? 0)"])
    }
    try await watching({ importer.status }) { try await plexus.import(importer, from: counterpart) }
  }

  /// One connection over standard input and output, as ssh's ProxyCommand wants it; over with it.
  func carryStandardStreams(to service: ImportedService, through importer: WormholeImporter) async throws {
    try await withThrowingTaskGroup { group in
      group.addTask { try await plexus.import(importer, from: counterpart) }
      group.addTask { try await importer.carry(input: 0, output: 1, to: service) }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  private func watching(
    _ status: @Sendable @escaping () -> WormholeStatus, _ body: @Sendable @escaping () async throws -> Void
  ) async throws {
    try await withThrowingTaskGroup { group in
      group.addTask { try await body() }
      if showsStatus {
        group.addTask { try await StatusDisplay(console: console, logger: logger).show(status) }
      }
      defer { group.cancelAll() }
      try await group.next()
    }
  }
}
