import ArgumentParser
import BuildInformation
import CLISupport
import LibC
import Plexus

/// `plexus` with options only: makes a passage.
struct PassageCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plexus",
    abstract: "Make a direct network passage between applications on machines behind NATs.",
    discussion: """
      Run it on both machines: `plexus --accept …` on one, `plexus --peer-info OWNER/PIN …` on the other. Both learn their \
      public addresses by STUN, find each other over the DHT, or by email where the --email-… options are given, open their \
      NATs, and start --exec-command with the addresses, or carry the services of --export and --import.

      Both need an identity and the other's certificate (see plexus identity --help), and options that are always the same \
      are best kept in a file:

        app-id = demo
        app-repo = /home/bob/identities
        stun-server = stun.example.org, stun.example.net

      Then one offers its ssh server to the other, or both start a program:

        bob$ plexus --config bob.conf --accept --export 127.0.0.1:22
        alice$ plexus ssh --config alice.conf bob@example.org/lab

        bob$ plexus --config bob.conf --accept --exec-command ./payload
        alice$ plexus --config alice.conf --peer-info bob@example.org/lab \\
                 --exec-command ./payload --exec-args "%innerport% %alien%"

      In the --exec-… options %innerip%, %innerport%, %outerip%, %outerport%, %peerip% and %peerport% stand for the own local, \
      the own public and the peer's endpoint; %inner%, %outer% and %alien% for each as address:port; %hostid%, %hostmail%, \
      %hostpin%, %peerid%, %peermail% and %peerpin% for the identities; %hostcert%, %hostkey% and %peercert% for their files; \
      %secret% for a number that only the two know.
      """,
    version: """
      \(BuildInformation.line(program: "plexus", version: PlexusVersion.current))
      OpenDHT \(PlexusVersion.openDHT), OpenSSL \(PlexusVersion.openSSL)
      """)

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
    commandName: "plexus", version: PassageCommand.configuration.version,
    subcommands: [
      IdentityCommand.self, DoctorCommand.self, ExploreCommand.self, ServeCommand.self, AdventCommand.self,
      SSHCommand.self,
    ])
}

/// All of `plexus` in one tree: what --help, the manual and the shells' completions show. Nothing is run by it.
struct WholeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plexus", abstract: PassageCommand.configuration.abstract,
    usage: "plexus [<options>]\nplexus <subcommand> [<options>]",
    discussion: PassageCommand.configuration.discussion, version: PassageCommand.configuration.version,
    subcommands: ToolsCommand.configuration.subcommands)

  @OptionGroup var options: PlexusOptions
}

/// Runs the command line, and turns whatever is thrown into one line on standard error and an exit status.
@main enum PlexusMain {
  static func main() async {
    // Not one tree of commands: a root's options would swallow those of the same name behind a subcommand.
    let arguments = Array(CommandLine.arguments.dropFirst())
    let root: any ParsableCommand.Type =
      switch arguments.first {
      // `plexus help serve`, and what the shells' completions and the manual are made of.
      case "help", "--generate-completion-script", "--experimental-dump-help": WholeCommand.self
      case let word where ToolsCommand.configuration.subcommands.contains { $0.configuration.commandName == word }:
        ToolsCommand.self
      default: PassageCommand.self
      }
    reserveStandardDescriptors(isOutputNeeded: isForItsOutput(arguments))
    var status: Int32 = 0
    do {
      try checkHelp(arguments)
      var command = try root.parseAsRoot(arguments)
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch {
      status = report(error, of: root, arguments)
    }
    // Above 1 a failure has had its line already; 1 is the doctor's verdict, which was printed.
    if status <= 1, let failure = failureOfStandardOutput() {
      writeLineToStandardError("plexus: \(failure)")
      status = failure.status.rawValue
    }
    exit(status)
  }

  /// Whether a run is of no use to whoever cannot read what it prints, unlike a passage or a server.
  private static func isForItsOutput(_ arguments: [String]) -> Bool {
    switch arguments.first {
    case "identity", "explore", "doctor", "help", "--generate-completion-script", "--experimental-dump-help": true
    case "--help", "-h", "--version": true
    default: false
    }
  }

  /// The program and those of its subcommands that the first words name.
  private static func command(of words: [String]) -> [String] {
    var names = ["plexus"]
    var subcommands = ToolsCommand.configuration.subcommands
    for word in words {
      guard let next = subcommands.first(where: { $0.configuration.commandName == word }) else { break }
      names.append(word)
      subcommands = next.configuration.subcommands
    }
    return names
  }

  /// The parser takes `plexus help nonsense` for `plexus help`.
  private static func checkHelp(_ arguments: [String]) throws(CommandFailure) {
    guard arguments.first == "help" else { return }
    let words = Array(arguments.dropFirst().prefix { !$0.hasPrefix("-") })
    let command = command(of: words)
    guard command.count <= words.count else { return }
    let name = command.joined(separator: " ")
    throw CommandFailure(.usage, "\(name) has no subcommand \(words[command.count - 1]); see \(name) --help")
  }

  private static func report(
    _ error: any Error, of root: any ParsableCommand.Type, _ arguments: [String]
  ) -> Int32 {
    if let failure = CommandFailure(describing: error) {
      writeLineToStandardError("plexus: \(failure)")
      return failure.status.rawValue
    }
    let code = root.exitCode(for: error)
    guard !code.isSuccess else {
      // --help and --version end here.
      let (width, text) = (helpWidth(), root.fullMessage(for: error, columns: helpWidth()))
      // Who asks for the help of a passage is told of the subcommands, too.
      print(text == PassageCommand.helpMessage(columns: width) ? WholeCommand.helpMessage(columns: width) : text)
      return 0
    }
    // The first line is the error, the rest is usage that --help shows, too.
    let message = root.message(for: error)
    if !message.isEmpty {
      writeLineToStandardError("plexus: \(message); see \(command(of: arguments).joined(separator: " ")) --help")
    }
    return code.rawValue
  }
}
