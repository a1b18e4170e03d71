import ArgumentParser
import CLISupport
import FoundationEssentials
import Plexus

/// `plexus explore`: what the own network does, and with whom punching works.
struct ExploreCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explore",
    abstract: "Tell what this network does and with whom punching works, within 1.6 seconds.",
    usage: "plexus explore [<options>]",
    discussion: """
      Asks all STUN servers at once, over IPv4 and IPv6. One that knows RFC 5780 and has two addresses tells everything; two \
      plain ones tell whether the NAT is symmetric. Exits with 69 if none answers.

        $ plexus explore --stun-server stun.example.org,stun.example.net
      """)

  @OptionGroup var options: ExploreOptions

  func run() async throws {
    let settings = try ExploreSettings(options)
    let logger = try ConsoleLog(path: settings.logFile).logger(label: "plexus", level: settings.logLevel)
    let report = try await settings.exploration.run { event in
      logger.debug("\(event.words)", metadata: ["event": "explore.\(event.name)"])
    }
    if options.exploring.json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
      print(String(decoding: try encoder.encode(report), as: UTF8.self))
    } else if report.failure == nil {
      print(ExplorationText(report).text)
    }
    if let failure = report.failure { throw failure }
  }
}

/// The options of `plexus explore`, in the spellings of `plexus`.
struct ExploreOptions: ParsableArguments {
  @OptionGroup(title: "EXPLORING") var exploring: ExploringOptions
  @OptionGroup(title: "LOG AND CONFIGURATION") var log: LogOptions
  @OptionGroup(title: "LOG AND CONFIGURATION") var file: ConfigurationFileOptions
}

/// What is explored, and how it is told.
struct ExploringOptions: ParsableArguments {
  @Option(
    name: [.customLong("stun-server"), .customLong("udp-stun")],
    help: ArgumentHelp(
      "STUN server, port 3478; several may be given, repeated or with commas.", valueName: "host[:port]"))
  var stunServer: [String] = []

  @Option(
    name: [.customLong("stun-client"), .customLong("udp-bind")],
    help: ArgumentHelp(
      "Local address and port to explore from; one that is not 0.0.0.0 or [::] leaves the other family out. "
        + "(default: 0.0.0.0:0)", valueName: "address:port"))
  var stunClient: String?

  @Flag(help: "Print JSON for programs; docs/explore.md names the fields.")
  var json = false
}
