import ArgumentParser
import FoundationEssentials
import Logging
import Plexus

/// Who we are and by whom we meet: the options that all examples have, named as those of `plexus`.
public struct MeetingOptions: ParsableArguments, Sendable {
  @Option(help: ArgumentHelp("Folder of identities, made by plexus identity new.", valueName: "folder"))
  var appRepo = "."

  @Option(
    help: ArgumentHelp(
      "Own identity; may be left out where the folder holds one private key.", valueName: "owner/pin"),
    transform: IdentityName.init)
  var hostInfo: IdentityName?

  @Option(
    name: .customLong("stun-server"),
    help: ArgumentHelp("STUN server; give two, so that a symmetric NAT is noticed.", valueName: "host[:port]"),
    transform: host)
  var stunServers: [HostAndPort]

  @Option(
    help: ArgumentHelp("DHT node to join by. (default: bootstrap.jami.net)", valueName: "host[:port]"), transform: host)
  var dhtBootstrap: [HostAndPort] = []

  @Option(help: ArgumentHelp("DHT network. (default: 0, the public one)", valueName: "number"))
  var dhtNetwork: UInt32?

  @Option(help: ArgumentHelp("Local port of the DHT node. (default: 4222, or any)", valueName: "port"))
  var dhtPort: UInt16?

  @Flag(help: "Tell each step on standard error.")
  var verbose = false

  /// Everything at its default, to be read from the command line.
  public init() {}

  /// The library's entrance, for an application of this name. Streams are encrypted or not made at all.
  public func plexus(for application: String) throws -> Plexus {
    var logger = Logger(label: application) { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = verbose ? .info : .error
    var configuration = PlexusConfiguration(application: application, stunServers: stunServers)
    configuration.security = .required
    configuration.dht.cacheFolder = StandardFolders().cache
    if !dhtBootstrap.isEmpty { configuration.dht.bootstrap = dhtBootstrap }
    if let dhtNetwork { configuration.dht.network = dhtNetwork }
    if let dhtPort { configuration.dht.port = .fixed(dhtPort) }
    return try Plexus(
      repository: ApplicationRepository(path: appRepo), host: hostInfo, configuration: configuration, logger: logger)
  }
}

@Sendable private func host(_ text: String) throws -> HostAndPort {
  guard let host = HostAndPort(text) else { throw ValidationError("\"\(text)\" is no host[:port]") }
  return host
}
