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
        try await passage.start(settings.payload)
      }
    case .accepting(let pattern):
      try await untilSignal { signal in
        logger.info("Ended by \(signal)", metadata: ["event": "run.ended"])
      } perform: {
        try await accept(from: pattern, by: plexus)
      }
    }
  }

  /// Serves invitations for ever, and tells when a payload ends.
  private func accept(from pattern: IdentityPattern, by plexus: Plexus) async throws {
    let (started, payloads) = AsyncStream.makeStream(of: (Passage, PayloadProcess).self)
    try await withThrowingTaskGroup { group in
      group.addTask {
        await withDiscardingTaskGroup { watches in
          for await (passage, process) in started {
            watches.addTask { _ = try? await passage.awaitEnd(of: process, started: settings.payload) }
          }
        }
      }
      group.addTask {
        try await plexus.accept(from: pattern) { passage in
          payloads.yield((passage, try await passage.start(settings.payload)))
        }
      }
      // The acceptor ends by an error or by cancellation only; either ends the watches.
      defer { group.cancelAll() }
      try await group.next()
    }
  }
}
