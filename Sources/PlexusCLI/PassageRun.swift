import CLISupport
import Identity
import Logging
import Plexus

/// One run of `plexus` as inviter or acceptor, until it is done or a signal ends it.
struct PassageRun {
  private let settings: Settings
  private let log: ConsoleLog

  init(_ settings: Settings) throws {
    self.settings = settings
    log = try ConsoleLog(path: settings.logFile)
  }

  func run() async throws {
    let logger = log.logger(label: "plexus", level: settings.logLevel)
    let plexus = try Plexus(
      repository: ApplicationRepository(path: settings.repositoryPath), host: settings.host,
      configuration: settings.configuration, logger: logger)
    switch settings.role {
    case .inviting(let peer):
      try await untilSignal { signal in
        throw CommandFailure(interruptedBy: signal)
      } perform: {
        let passage = try await plexus.invite(peer)
        let process = try await passage.start(settings.payload)
        logger.info("Started \(settings.payload.command) as process \(process.processID)")
      }
    case .accepting(let pattern):
      try await untilSignal { signal in
        logger.info("Ended by \(signal)")
      } perform: {
        try await accept(from: pattern, by: plexus, logger: logger)
      }
    }
  }

  /// Serves invitations for ever, and tells when a payload ends.
  private func accept(from pattern: IdentityPattern, by plexus: Plexus, logger: Logger) async throws {
    let (started, processes) = AsyncStream.makeStream(of: (IdentityName, PayloadProcess).self)
    try await withThrowingTaskGroup { group in
      group.addTask {
        await withDiscardingTaskGroup { watches in
          for await (peer, process) in started {
            watches.addTask { await report(endOf: process, for: peer, to: logger) }
          }
        }
      }
      group.addTask {
        try await plexus.accept(from: pattern) { passage in
          let process = try await passage.start(settings.payload)
          logger.info(
            "Started \(settings.payload.command) for \(passage.description.peer) as process \(process.processID)")
          processes.yield((passage.description.peer, process))
        }
      }
      // The acceptor ends by an error or by cancellation only; either ends the watches.
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  private func report(endOf process: PayloadProcess, for peer: IdentityName, to logger: Logger) async {
    guard let status = try? await process.exitStatus() else { return }
    logger.log(
      level: status == 0 ? .info : .warning,
      "\(settings.payload.command) for \(peer), process \(process.processID), ended with status \(status)")
  }
}
