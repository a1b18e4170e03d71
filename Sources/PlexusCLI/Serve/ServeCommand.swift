import ArgumentParser
import CLISupport
import LibC
import Logging
import Plexus

/// `plexus serve`: a STUN server and a DHT node, for those who want to need nobody else.
struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Be the STUN server and the DHT node that others' plexus needs.",
    usage: "plexus serve [<options>]",
    discussion: """
      Run it on a machine that both sides can reach, and give both sides the options that it prints on standard output. It \
      serves until SIGINT or SIGTERM. UDP ports 3478, 3479 and 4222 must be open.

        $ plexus serve --address 198.51.100.1 --address 198.51.100.2
        --stun-server 198.51.100.1,198.51.100.2 --dht-bootstrap 198.51.100.1
      """)

  @OptionGroup var options: ServeOptions

  func run() async throws {
    let settings = try ServeSettings(options, environment: .current)
    let logger = try ConsoleLog(path: options.log.logFile).logger(label: "plexus", level: settings.logLevel)
    try await untilSignal { signal in
      logger.info("Ended by \(signal)", metadata: ["event": "run.ended"])
    } perform: {
      let server = try await PlexusServer.start(settings.server, logger: logger)
      for line in server.clientOptions { print(line.joined(separator: " ")) }
      // Whoever reads this through a pipe waits for it.
      fflush(nil)
      ServiceManager.current?.ready()
      try await server.run()
    }
  }
}

/// The options of `plexus serve`.
struct ServeOptions: ParsableArguments {
  @OptionGroup(title: "SERVING") var serving: ServingOptions
  @OptionGroup(title: "LOG") var log: LogOptions
}

/// What is served, and where.
struct ServingOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Address to serve on, repeated or with commas; two of one family test filtering too (RFC 5780). "
        + "(default: all global ones, or the private one of the default route)", valueName: "address"))
  var address: [String] = []

  @Option(
    help: ArgumentHelp("First port of the STUN server; the next one is taken, too. (default: 3478)", valueName: "port"))
  var stunPort: String?

  @Option(help: ArgumentHelp("Port of the DHT node. (default: 4222)", valueName: "port"))
  var dhtPort: String?

  @Option(help: ArgumentHelp("DHT network. (default: 0)", valueName: "number"))
  var dhtNetwork: String?

  @Option(
    help: ArgumentHelp(
      "Nodes of a DHT to be a part of; without it this is a DHT of its own.", valueName: "host[:port]"))
  var dhtBootstrap: [String] = []

  @Option(
    help: ArgumentHelp(
      "Name or address by which others reach this machine, for the options that are printed.", valueName: "host"))
  var publicName: String?
}
