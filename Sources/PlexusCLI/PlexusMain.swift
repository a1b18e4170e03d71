import ArgumentParser
import CLISupport
import Glibc

/// `plexus` without a subcommand makes a passage; the subcommands are for what a person needs around it.
struct PlexusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plexus",
    abstract: "Make a direct network passage between applications on machines behind NATs.",
    discussion: """
      Run it on both machines: `plexus --accept …` on one, `plexus --peer-info OWNER/PIN …` on the other. Both learn their \
      public addresses by STUN, find each other over the DHT, open their NATs, and start --exec-command with the addresses.
      """,
    version: PlexusVersion.current,
    subcommands: [IdentityCommand.self])

  @OptionGroup var options: PlexusOptions

  func run() async throws {
    let settings = try Settings(options.addingConfigurationFile(), environment: .current)
    try await PassageRun(settings).run()
  }
}

/// Turns whatever is thrown into one line on standard error and an exit status.
@main enum PlexusMain {
  static func main() async {
    do {
      var command = try PlexusCommand.parseAsRoot()
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch {
      exit(report(error))
    }
  }

  private static func report(_ error: any Error) -> Int32 {
    if let failure = CommandFailure(describing: error) {
      writeLineToStandardError("plexus: \(failure)")
      return failure.status.rawValue
    }
    let code = PlexusCommand.exitCode(for: error)
    guard !code.isSuccess else {
      // --help and --version end here.
      print(PlexusCommand.fullMessage(for: error))
      return 0
    }
    // The first line is the error, the rest is usage that --help shows, too.
    let message = PlexusCommand.message(for: error)
    if !message.isEmpty { writeLineToStandardError("plexus: \(message); see plexus --help") }
    return code.rawValue
  }
}
