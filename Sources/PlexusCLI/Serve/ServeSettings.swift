import CLISupport
import Logging
import Plexus

/// The options of `plexus serve`, read and checked.
struct ServeSettings {
  var server = PlexusServer.Configuration()
  var logLevel: Logger.Level

  init(_ options: ServeOptions, environment: Environment) throws {
    server.cacheFolder = environment.folders.cache
    for text in options.serving.address.flatMap({ $0.split { $0 == "," || $0 == ";" || $0.isWhitespace } }) {
      let address = try Settings.value(String(text), of: "address", "an IPv4 or IPv6 address") { IPAddress($0) }
      if let address { server.addresses.append(address) }
    }
    let port = "a port from 0 to 65535"
    if let stun = try Settings.value(options.serving.stunPort, of: "stun-port", port, { UInt16($0) }) {
      server.stunPort = stun
    }
    if let dht = try Settings.value(options.serving.dhtPort, of: "dht-port", port, { UInt16($0) }) {
      server.dhtPort = dht
    }
    if let network = try Settings.value(
      options.serving.dhtNetwork, of: "dht-network", "a 32-bit number", { UInt32($0) })
    {
      server.dhtNetwork = network
    }
    if !options.serving.dhtBootstrap.isEmpty {
      server.dhtBootstrap = try Settings.hosts(options.serving.dhtBootstrap, of: "dht-bootstrap")
    }
    server.publicName = try Settings.value(options.serving.publicName, of: "public-name", "a host without a port") {
      // A bare IPv6 address is read without brackets.
      HostAndPort($0).flatMap { $0.port == nil ? $0.host : nil }
    }
    logLevel = try Settings.logLevel(options.log.logLevel)
  }
}
