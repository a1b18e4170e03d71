import ArgumentParser

/// The options of `wormhole`, in the spelling of the deployed C++ tool, and some of our own.
struct WormholeOptions: ParsableArguments {
  @OptionGroup(title: "SERVICE") var service: ServiceOptions
  @OptionGroup(title: "TUNNEL") var tunnel: TunnelOptions
  @OptionGroup(title: "LOG") var log: LogOptions
}

/// What is carried.
struct ServiceOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Which end this is: export where the service is, import where its clients are."))
  var purpose: String?

  @Option(
    help: ArgumentHelp(
      "The service to export, or where to listen for it. Between two of these programs there may be several, with names: "
        + "NAME=ADDRESS:PORT to export, ADDRESS:PORT=NAME to import, /udp behind it for datagrams.",
      valueName: "address:port"))
  var service: [String] = []
}

/// Between which endpoints, and for how long.
struct TunnelOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Local UDP endpoint of the tunnel.", valueName: "address:port"))
  var gateway: String?

  @Option(help: ArgumentHelp("Remote UDP endpoint of the tunnel.", valueName: "address:port"))
  var faraway: String?

  @Option(
    help: ArgumentHelp("64-bit number that both ends know, which masks the tunnel; 0 masks nothing. (default: 0)"))
  var obscure: String?

  @Flag(help: "Go on for ever: wait for the far end, and build the tunnel again when it breaks.")
  var retry = false
}

/// What is told, and where.
struct LogOptions: ParsableArguments {
  @Flag(
    help: "Show peers, streams, bytes and rates: in the last line of a terminal, else in the log every ten seconds.")
  var status = false

  @Option(
    help: ArgumentHelp("File to append the log to; %p is the process id.", valueName: "file"), completion: .file())
  var logFile: String?

  @Option(
    help: ArgumentHelp("fatal, error, warning, info, debug or trace. (default: info)", valueName: "level"))
  var logLevel: String?
}
