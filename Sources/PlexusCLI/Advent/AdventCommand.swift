import ArgumentParser
import CLISupport
import LibC
import Plexus

/// `plexus advent`: presence notices, sent or received.
struct AdventCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "advent",
    abstract: "Tell a peer that you are there, or learn who is.",
    usage: "plexus advent --forward|--receive [<options>]",
    discussion: """
      `--forward` sends a signed and encrypted notice to --peer-info and ends. `--receive` prints the OWNER/PIN of each peer whose \
      notice comes in, a line each, until SIGINT or SIGTERM. Both meet like `plexus` does: over the DHT, or by email.

        bob$ plexus advent --receive --config bob.conf
        alice$ plexus advent --forward --config alice.conf --peer-info bob@example.org/lab
      """)

  @OptionGroup var options: AdventOptions

  func run() async throws {
    let settings = try AdventSettings(options, environment: .current)
    try settings.configuration.email?.checkFiles()
    let logger = try ConsoleLog(path: settings.logFile).logger(label: "plexus", level: settings.logLevel)
    let plexus = try Plexus(
      repository: ApplicationRepository(path: settings.repositoryPath), host: settings.host,
      configuration: settings.configuration, logger: logger)
    switch settings.direction {
    case .forward(let peer):
      try await untilSignal { signal in
        throw CommandFailure(
          signal == .sigint ? .interrupted : signal == .sighup ? .hungUp : .terminated,
          "ended by \(signal) before the notice was sent")
      } perform: {
        try await plexus.announce(to: peer)
      }
    case .receive(let pattern):
      try await untilSignal { signal in
        logger.info("Ended by \(signal)", metadata: ["event": "run.ended"])
      } perform: {
        try await plexus.receiveAdvents(from: pattern) { peer in
          print(peer)
          // Whoever reads this through a pipe waits for it.
          fflush(nil)
        }
      }
    }
  }
}
