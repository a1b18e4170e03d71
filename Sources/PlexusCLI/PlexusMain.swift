import ArgumentParser
import CLISupport
import Glibc
import Plexus

/// `plexus` with options only: makes a passage.
struct PassageCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plexus",
    abstract: "Make a direct network passage between applications on machines behind NATs.",
    discussion: """
      Run it on both machines: `plexus --accept …` on one, `plexus --peer-info OWNER/PIN …` on the other. Both learn their \
      public addresses by STUN, find each other over the DHT, or by email where the --email-… options are given, open their \
      NATs, and start --exec-command with the addresses.

      `plexus identity` makes and exchanges the identities that both need; `plexus explore` tells what the own network \
      does and whether punching will work; `plexus advent` tells peers that you are there; `plexus serve` is the STUN server \
      and DHT node for those who want their own. Each has a --help.
      """,
    version: PlexusVersion.current)

  @OptionGroup var options: PlexusOptions

  func run() async throws {
    try await PassageRun(settings()).run()
  }

  private func settings() throws -> Settings {
    let merged = try options.addingConfigurationFile()
    do {
      return try Settings(merged, environment: .current)
    } catch let failure as CommandFailure {
      guard let file = options.config else { throw failure }
      throw CommandFailure(failure.status, "\(failure) (on the command line or in \(file))")
    }
  }
}

/// `plexus` with a first word: what a person needs around the passage.
struct ToolsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plexus",
    subcommands: [IdentityCommand.self, ExploreCommand.self, ServeCommand.self, AdventCommand.self, SSHCommand.self])
}

/// Runs the command line, and turns whatever is thrown into one line on standard error and an exit status.
@main enum PlexusMain {
  static func main() async {
    reserveStandardDescriptors()
    // Not one tree of commands: a root's options would swallow those of the same name behind a subcommand.
    let arguments = Array(CommandLine.arguments.dropFirst())
    let root: any ParsableCommand.Type =
      ToolsCommand.configuration.subcommands.contains { $0.configuration.commandName == arguments.first }
      ? ToolsCommand.self : PassageCommand.self
    do {
      var command = try root.parseAsRoot(arguments)
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch {
      exit(report(error, of: root))
    }
  }

  private static func report(_ error: any Error, of root: any ParsableCommand.Type) -> Int32 {
    if let failure = CommandFailure(describing: error) {
      writeLineToStandardError("plexus: \(failure)")
      return failure.status.rawValue
    }
    let code = root.exitCode(for: error)
    guard !code.isSuccess else {
      // --help and --version end here.
      print(root.fullMessage(for: error))
      return 0
    }
    // The first line is the error, the rest is usage that --help shows, too.
    let message = root.message(for: error)
    if !message.isEmpty { writeLineToStandardError("plexus: \(message); see plexus --help") }
    return code.rawValue
  }
}
