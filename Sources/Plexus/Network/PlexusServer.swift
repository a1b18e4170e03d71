import DatagramSockets
import Datagrams
import Logging
import RendezvousDHT
import STUN

/// A STUN server and a DHT node in one: all that two people need besides `plexus` itself.
public final class PlexusServer: Sendable {
  /// Where and what to serve.
  public struct Configuration: Sendable {
    /// The addresses to serve on. Two of one family make a full RFC 5780 server; none stands for those that are found: all
    /// global ones, or else the private one of the default route.
    public var addresses: [IPAddress] = []
    /// The STUN server's first port; the second is the next one. 0 takes any two.
    public var stunPort: UInt16 = STUNServer.defaultPort
    /// The DHT node's port. It serves on the first address of each family. 0 takes any.
    public var dhtPort: UInt16 = DHTConfiguration.defaultPort
    /// Only nodes of one network id talk with each other; 0 is what `plexus` uses unless told otherwise.
    public var dhtNetwork: UInt32 = 0
    /// Nodes of a DHT to become part of; none makes a DHT of its own.
    public var dhtBootstrap: [HostAndPort] = []
    /// The folder in which the DHT node keeps the nodes that answered, so that it comes back when all of ``dhtBootstrap`` are
    /// gone; nil to keep none. Without ``dhtBootstrap`` nothing is kept.
    public var cacheFolder: String?
    /// A name of this machine for ``clientOptions``; addresses stand there without it. Needed where a router forwards the
    /// ports of its public address here.
    public var publicName: String?

    /// Everything at its default.
    public init() {}
  }

  /// Each takes two sockets; who has more names those that matter.
  private static let maximumAddresses = 8

  let configuration: Configuration
  private let addresses: [IPAddress]
  private let stun: [STUNService]
  private let dht: DHTBootstrapNode
  private let logger: Logger

  /// Binds everything; ``run()`` must follow, or ``close()``.
  ///
  /// - Throws: ``PlexusError`` in one sentence when a port is taken or needs root, or an address is not of this machine;
  ///   nothing stays bound then.
  public static func start(_ configuration: Configuration, logger: Logger) async throws(PlexusError) -> PlexusServer {
    let addresses = try addresses(configuration)
    guard configuration.stunPort < UInt16.max else {
      throw PlexusError(
        .invalidOption, "the STUN server takes the port after \(configuration.stunPort) too",
        advice: "choose a lower one")
    }
    var stun: [STUNService] = []
    do {
      for family in IPAddress.Family.allCases {
        let own = addresses.filter { $0.family == family }
        guard !own.isEmpty else { continue }
        let port = configuration.stunPort
        stun.append(try await STUNService.bind(addresses: own, ports: port == 0 ? [0, 0] : [port, port + 1]))
      }
      let dht = try await startDHT(configuration, addresses, logger)
      return PlexusServer(configuration, addresses: addresses, stun: stun, dht: dht, logger: logger)
    } catch {
      for service in stun { await service.close() }
      throw explained(error)
    }
  }

  /// A server must tell its clients its address, so that the advice to bind to any would be wrong.
  private static func explained(_ error: any Error) -> PlexusError {
    guard let error = error as? UDPSocketError, error.code == .addressNotLocal, let local = error.local else {
      return PlexusError(error)
    }
    return PlexusError(
      .invalidOption, "\(local.address) is no address of this machine",
      advice: "name one that it has, or none to have them found; behind a router give --public-name", cause: error)
  }

  private static func addresses(_ configuration: Configuration) throws(PlexusError) -> [IPAddress] {
    guard !configuration.addresses.isEmpty else {
      let found = LocalAddresses.serving()
      guard !found.isEmpty else {
        throw PlexusError(
          .invalidOption, "this machine has no address that others could reach",
          advice: "connect it to a network, or name the address to serve on")
      }
      return Array(found.prefix(maximumAddresses))
    }
    if let wrong = configuration.addresses.first(where: { !$0.isUnicast }) {
      throw PlexusError(
        .invalidOption, "\(wrong) is no address of one machine, which a server must tell its clients",
        advice: "name the addresses to serve on, or none to have them found")
    }
    var addresses: [IPAddress] = []
    for address in configuration.addresses.prefix(maximumAddresses) where !addresses.contains(address) {
      addresses.append(address)
    }
    return addresses
  }

  private static func startDHT(
    _ configuration: Configuration, _ addresses: [IPAddress], _ logger: Logger
  ) async throws -> DHTBootstrapNode {
    let own = IPAddress.Family.allCases.compactMap { family in addresses.first { $0.family == family } }
    var port = configuration.dhtPort
    if port == 0, own.count > 1, let first = own.first {
      // Both families must have the same port: take one that is free for the first.
      let socket = try await UDPSocket.bind(to: Endpoint(address: first, port: 0))
      port = socket.localEndpoint.port
      await socket.close()
    }
    return try DHTBootstrapNode(
      DHTConfiguration(
        bootstrap: configuration.dhtBootstrap, port: .fixed(port), network: configuration.dhtNetwork,
        address4: own.first { $0.family == .v4 }, address6: own.first { $0.family == .v6 },
        cacheFolder: configuration.cacheFolder), logger: logger)
  }

  private init(
    _ configuration: Configuration, addresses: [IPAddress], stun: [STUNService], dht: DHTBootstrapNode, logger: Logger
  ) {
    (self.configuration, self.addresses, self.stun, self.dht) = (configuration, addresses, stun, dht)
    self.logger = logger
  }

  /// The endpoints of the STUN server.
  public var stunEndpoints: [Endpoint] { stun.flatMap(\.endpoints) }

  /// The endpoints of the DHT node, one of each family.
  public var dhtEndpoints: [Endpoint] {
    IPAddress.Family.allCases.compactMap { family in
      addresses.first { $0.family == family }.map { Endpoint(address: $0, port: dht.port) }
    }
  }

  /// What became of the datagrams that the STUN server got so far.
  public var counts: STUNServerCore.Counts { stun.reduce(into: .init()) { $0 += $1.counts } }

  /// Serves until cancelled, then closes everything.
  ///
  /// - Throws: `CancellationError`, or ``PlexusError`` when a socket breaks.
  public func run() async throws {
    announce()
    defer { tell("serve.total", "STUN in all: \(counts.words)", counts.metadata) }
    do {
      try await withThrowingTaskGroup { group in
        for service in stun { group.addTask { try await service.run() } }
        group.addTask { await self.dht.run { self.tell($0) } }
        group.addTask { try await self.tally() }
        defer { group.cancelAll() }
        for try await _ in group {}
      }
    } catch {
      throw PlexusError.describing(error)
    }
  }

  /// Closes a server that is not running.
  public func close() async {
    for service in stun { await service.close() }
    dht.stop()
  }

  private func announce() {
    let endpoints = stunEndpoints.map(\.description).joined(separator: ", ")
    let hasTwo = stun.contains { Set($0.endpoints.map(\.address)).count > 1 }
    tell(
      "serve.stun",
      "STUN server on \(endpoints)\(hasTwo ? "" : "; with a second address it could test its clients' filtering too")")
    let nodes = dhtEndpoints.map(\.description).joined(separator: ", ")
    tell("serve.dht", "DHT node on \(nodes), network \(configuration.dhtNetwork)")
    if configuration.publicName == nil, addresses.allSatisfy({ $0.scope != .global }) {
      let own = addresses.map(\.description).joined(separator: ", ")
      logger.warning(
        "\(own) can be reached from this network only; where a router forwards the ports here, give its public name",
        metadata: ["event": "serve.private"])
    }
  }

  private func tell(_ event: DHTEvent) {
    switch event {
    case .started: break
    case .hostNotFound(let host, let reason):
      logger.warning(
        "DHT node \(host) cannot be found: \(reason)", metadata: ["event": "dht.host-not-found", "node": "\(host)"])
    case .connected: tell("dht.connected", "The DHT is connected")
    case .disconnected:
      logger.warning(
        "The DHT is disconnected: no node answers; trying again", metadata: ["event": "dht.disconnected"])
    }
  }

  /// Event names stay; sentences may change.
  private func tell(_ event: String, _ sentence: String, _ metadata: Logger.Metadata = [:]) {
    logger.info("\(sentence)", metadata: metadata.merging(["event": "\(event)"]) { $1 })
  }

  /// A line every ten minutes tells that the server lives and is used; nothing in idle times.
  private func tally() async throws {
    var told = counts
    while true {
      try await Task.sleep(for: .seconds(600))
      let now = counts
      if now != told { tell("serve.count", "STUN so far: \(now.words)", now.metadata) }
      told = now
    }
  }
}

extension STUNServerCore.Counts {
  fileprivate var metadata: Logger.Metadata {
    ["answered": "\(answered)", "refused": "\(refused)", "limited": "\(limited)", "ignored": "\(ignored)"]
  }

  fileprivate var words: String {
    "\(answered) answered, \(refused) refused, \(limited) dropped for their source's rate, \(ignored) no requests"
  }
}
