import ArgumentParser
import CLISupport
import Logging
import Plexus

/// The options of `plexus explore`, read and checked.
struct ExploreSettings {
  var exploration: NetworkExploration
  var logLevel: Logger.Level
  var logFile: String?

  /// Reads the options and the configuration file, which may be that of `plexus` as it is.
  init(_ options: ExploreOptions) throws {
    var given = try PlexusOptions.parse([])
    given.stunServer = options.exploring.stunServer
    given.stunClient = options.exploring.stunClient
    given.log = options.log
    given.file = options.file
    let merged = try given.addingConfigurationFile()
    guard !merged.stunServer.isEmpty else {
      throw Settings.missing(
        "stun-server", "name at least one STUN server, such as --stun-server=stun.example.org:3478")
    }
    exploration = NetworkExploration(stunServers: try Settings.hosts(merged.stunServer, of: "stun-server"))
    if let local = try Settings.value(
      merged.stunClient, of: "stun-client", "a local address:port, IPv6 in brackets", Endpoint.init)
    {
      exploration.local = local
    }
    logLevel = try Settings.logLevel(merged.logLevel)
    logFile = merged.logFile
  }
}

extension Settings {
  static func logLevel(_ name: String?) throws(CommandFailure) -> Logger.Level {
    try value(name, of: "log-level", "fatal, error, warning, info, debug or trace") { CLISupport.logLevel(named: $0) }
      ?? .info
  }
}

extension ExplorationEvent {
  /// The last word of the log line's event.
  var name: String {
    switch self {
    case .mapped: "mapped"
    case .mappingBehavior: "mapping"
    case .filteringBehavior: "filtering"
    case .hairpinning: "hairpinning"
    case .serverFailed: "server-failed"
    case .finished: "finished"
    }
  }

  /// What a log line says.
  var words: String {
    switch self {
    case .mapped(let endpoint, let server, _): "\(server) sees this machine at \(endpoint)"
    case .mappingBehavior(let mapping): "Mapping: \(mapping.words)"
    case .filteringBehavior(let filtering): "Filtering: \(filtering.words)"
    case .hairpinning(let hairpins): "Hairpinning: \(hairpins ? "yes" : "no")"
    case .serverFailed(let server, let outcome): "\(server) \(outcome)"
    case .finished(let report): "Explored from \(report.local)"
    }
  }
}
