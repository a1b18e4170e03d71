import CLISupport
import Logging
import Plexus

/// One run of `plexus` as inviter or acceptor, until it is done or a signal ends it.
struct PassageRun {
  private let settings: Settings
  private let log: ConsoleLog
  private let logger: Logger

  init(_ settings: Settings) throws {
    self.settings = settings
    try settings.configuration.email?.checkFiles()
    log = try ConsoleLog(path: settings.logFile)
    logger = log.logger(label: "plexus", level: settings.logLevel)
  }

  func run() async throws {
    switch settings.work {
    case .payload(let payload): try await run(payload)
    case .exporting(let services):
      let run = serviceRun(try plexus(settings.configuration))
      try await untilEnded { try await run.export(services) }
    case .importing(let services):
      let importer = try await WormholeImporter.listen(for: services, logger: logger)
      try await using(importer) { run in try await run.importServices(services, on: importer) }
    case .standardStreams:
      var patient = WormholeImporter.Configuration()
      // For as long as it may take to find the peer.
      patient.clientPatience = .seconds(120)
      let importer = try await WormholeImporter.listen(for: [], configuration: patient, logger: logger)
      let service = ImportedService(address: HostAndPort(host: "", port: nil))
      try await using(importer) { run in try await run.carryStandardStreams(to: service, through: importer) }
    }
  }

  private func plexus(_ configuration: PlexusConfiguration) throws -> Plexus {
    var configuration = configuration
    configuration.whenJoined = { ServiceManager.current?.ready() }
    return try Plexus(
      repository: ApplicationRepository(path: settings.repositoryPath), host: settings.host,
      configuration: configuration, logger: logger)
  }

  // MARK: Services

  private func using(
    _ importer: WormholeImporter, _ body: @Sendable @escaping (ServiceRun) async throws -> Void
  ) async throws {
    let result: Result<Void, any Error>
    do {
      var configuration = settings.configuration
      configuration.eventLoops = importer.eventLoop
      let run = serviceRun(try plexus(configuration))
      try await untilEnded { try await body(run) }
      result = .success(())
    } catch {
      result = .failure(error)
    }
    await importer.close()
    try result.get()
  }

  private func serviceRun(_ plexus: Plexus) -> ServiceRun {
    let counterpart: Counterpart =
      switch settings.role {
      case .inviting(let peer): .peer(peer)
      case .accepting(let pattern): .whoeverInvites(pattern)
      }
    return ServiceRun(
      plexus: plexus, counterpart: counterpart, console: log, logger: logger, showsStatus: settings.showsStatus)
  }

  /// Tells what a reload has found. Whoever invites is looked up in the repository as it is then, so there is nothing else to do.
  private func reload() {
    do {
      let entries = try ApplicationRepository(path: settings.repositoryPath).entries(matching: .any, logger: logger)
      for entry in entries {
        guard let problem = entry.problem else { continue }
        logger.warning("\(entry.name) cannot be used: \(problem)", metadata: ["event": "run.reloaded"])
      }
      let usable = entries.count { $0.problem == nil && !$0.hasPrivateKey }
      logger.info(
        "The repository holds \(usable) usable peer\(usable == 1 ? "" : "s")",
        metadata: ["event": "run.reloaded", "peers": "\(usable)"])
    } catch {
      logger.error("The repository cannot be read: \(error)", metadata: ["event": "run.reloaded"])
    }
  }

  /// Whoever serves until a signal has done its work then.
  private func untilEnded(_ body: @Sendable @escaping () async throws -> Void) async throws {
    let isProxy = if case .standardStreams = settings.work { true } else { false }
    try await untilSignal(reload: reload) { [logger] signal in
      // With that signal ssh ends its ProxyCommand when all is done: nobody wants a line behind the output.
      logger.log(
        level: isProxy && signal == .sighup ? .debug : .info, "Ended by \(signal)", metadata: ["event": "run.ended"])
    } perform: {
      try await body()
    }
  }

  // MARK: Payloads

  private func run(_ payload: Payload) async throws {
    let plexus = try plexus(settings.configuration)
    switch settings.role {
    case .inviting(let peer):
      try await untilSignal { signal in
        throw CommandFailure(interruptedBy: signal)
      } perform: {
        let passage = try await plexus.invite(peer)
        try await passage.start(payload)
      }
    case .accepting(let pattern):
      try await untilEnded { try await Self.accept(from: pattern, by: plexus, starting: payload) }
    }
  }

  /// Serves invitations for ever, and tells when a payload ends.
  private static func accept(
    from pattern: IdentityPattern, by plexus: Plexus, starting payload: Payload
  ) async throws {
    let (started, payloads) = AsyncStream.makeStream(of: (Passage, PayloadProcess).self)
    try await withThrowingTaskGroup { group in
      group.addTask {
        await withDiscardingTaskGroup { watches in
          for await (passage, process) in started {
            watches.addTask { _ = try? await passage.awaitEnd(of: process, started: payload) }
          }
        }
      }
      group.addTask {
        try await plexus.accept(from: pattern) { passage in
          payloads.yield((passage, try await passage.start(payload)))
        }
      }
      // The acceptor ends by an error or by cancellation only; either ends the watches.
      defer { group.cancelAll() }
      try await group.next()
    }
  }
}
