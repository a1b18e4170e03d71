import CLISupport
import Logging
import NIOCore
import NIOPosix
import Wormhole

/// One run of `wormhole`, until the tunnel is over or a signal ends it.
struct WormholeRun: Sendable {
  private let settings: Settings
  private let console: ConsoleLog
  private let logger: Logger

  init(_ settings: Settings) throws(CommandFailure) {
    self.settings = settings
    console = try ConsoleLog(path: settings.logFile)
    logger = console.logger(label: "wormhole", level: settings.logLevel)
  }

  func run() async throws {
    try await untilSignal { [logger] signal in
      logger.info("Ended by \(signal)", metadata: ["event": "run.ended"])
    } perform: {
      switch settings.purpose {
      case .exporting(let services): try await export(services)
      case .importing(let services): try await importServices(services)
      }
    }
  }

  private func export(_ services: [ExportedService]) async throws {
    let exporter = WormholeExporter(services, logger: logger)
    try await keepTunnel(.accepting, on: MultiThreadedEventLoopGroup.singleton.next(), status: { exporter.status }) {
      try await exporter.run($0)
    }
  }

  private func importServices(_ services: [ImportedService]) async throws {
    var configuration = WormholeImporter.Configuration()
    // Until the far end is given up.
    if !settings.isRetrying { configuration.clientPatience = policy.patience }
    let importer = try await WormholeImporter.listen(for: services, configuration: configuration, logger: logger)
    for (service, address) in zip(services, importer.localAddresses) {
      logger.info(
        "Listening for clients of \(service.listening(on: address.port))",
        metadata: ["event": "wormhole.listening", "port": "\(address.port ?? 0)"])
    }
    let result: Result<Void, any Error>
    do {
      try await keepTunnel(.connecting, on: importer.eventLoop, status: { importer.status }) {
        try await importer.run($0)
      }
      result = .success(())
    } catch {
      result = .failure(error)
    }
    await importer.close()
    try result.get()
  }

  private var policy: TunnelPolicy { settings.policy }

  private func keepTunnel(
    _ side: TubusTunnel.Side, on eventLoop: any EventLoop, status: @Sendable @escaping () -> WormholeStatus,
    use: @Sendable @escaping (any Channel) async throws -> Void
  ) async throws {
    let tunnel = TubusTunnel(
      side, local: settings.gateway, remote: settings.faraway, configuration: settings.tubusConfiguration(for: side))
    // A port that is taken is told before anybody waits.
    try await tunnel.open(on: eventLoop)
    let result: Result<Void, any Error>
    do {
      try await withThrowingTaskGroup { group in
        group.addTask { [policy, logger] in
          try await policy.keepTunnel(by: tunnel, on: eventLoop, logger: logger, use: use)
        }
        if settings.showsStatus {
          group.addTask { [console, logger] in
            try await StatusDisplay(console: console, logger: logger).show(status)
          }
        }
        defer { group.cancelAll() }
        try await group.next()
      }
      result = .success(())
    } catch {
      result = .failure(error)
    }
    await tunnel.close()
    try result.get()
  }
}
