import CLISupport
import Logging
import Plexus

/// The options of `plexus advent`, read and checked.
struct AdventSettings {
  enum Direction {
    case forward(IdentityName)
    case receive(IdentityPattern)
  }

  var direction: Direction
  var host: IdentityName?
  var repositoryPath: String
  var configuration: PlexusConfiguration
  var logLevel: Logger.Level
  var logFile: String?

  /// Checks the options, and says of the first that is wrong what it should be.
  init(_ given: AdventOptions, environment: Environment) throws {
    let options = try given.merged()
    switch (given.meeting.forward, given.meeting.receive, options.peerInfo) {
    case (true, false, let peer?): direction = .forward(try IdentityName(peer))
    case (true, false, nil): throw Settings.missing("peer-info", "name the peer to tell as OWNER/PIN")
    case (false, true, let peer): direction = .receive(try peer.map(IdentityPattern.init) ?? .any)
    default:
      throw CommandFailure(.usage, "give --forward to send a notice, or --receive to wait for notices, one of the two")
    }
    configuration = PlexusConfiguration(
      application: try Settings.application(options), stunServers: [], stateFolder: environment.folders.state)
    host = try options.hostInfo.map(IdentityName.init)
    repositoryPath = options.appRepo ?? "."
    logLevel = try Settings.logLevel(options.logLevel)
    logFile = options.logFile
    configuration.dht.cacheFolder = environment.folders.cache
    try configuration.apply(options)
    try configuration.apply(environment)
    configuration.email = try EmailConfiguration(options, environment)
  }
}
