import Datagrams
import Logging

/// Remembers between runs which nodes answered, so that the next start needs no bootstrap host.
///
/// A help, not a need: whatever is wrong with the file is a debug line, and the bootstrap hosts are asked all the same.
struct NodeCache: Sendable {
  /// By now the first lookups are done, and a crash later on loses little.
  private static let firstSave = Duration.seconds(5)
  /// Nodes live for hours.
  private static let saveEvery = Duration.seconds(5 * 60)

  private let file: NodeCacheFile
  private let families: Set<IPAddress.Family>
  private let isOnLoopback: Bool
  private let unixSeconds: @Sendable () -> UInt64
  private let logger: Logger

  /// Who keeps nodes. Each has a file of its own: a server that is told to be part of one DHT does not join another that
  /// its user once asked something.
  enum Keeper: String {
    case participant = ""
    case server = "-server"
  }

  /// The cache of one network in `folder`; touches nothing yet.
  init(
    folder: String, keeper: Keeper = .participant, configuration: DHTConfiguration,
    unixSeconds: @escaping @Sendable () -> UInt64, logger: Logger
  ) {
    file = NodeCacheFile(folder: folder, name: "dht-nodes-\(configuration.network)\(keeper.rawValue)")
    let own = [configuration.address4, configuration.address6].compactMap(\.self)
    families = Set(own.map(\.family))
    isOnLoopback =
      own.contains(where: \.isLoopback)
      || configuration.bootstrap.contains { $0.host == "localhost" || IPAddress($0.host)?.isLoopback == true }
    self.unixSeconds = unixSeconds
    self.logger = logger
  }

  /// The nodes of earlier runs, those that were good most recently first; none when the file is missing or of no use.
  func load() -> [Endpoint] {
    let nodes = read()
    if !nodes.entries.isEmpty {
      logger.debug(
        "nodes known from before are tried as well",
        metadata: ["event": "dht.cache-read", "nodes": "\(nodes.entries.count)"])
    }
    return nodes.endpoints
  }

  /// Adds nodes that are good now to those in the file.
  func save(_ good: [Endpoint]) {
    guard !good.isEmpty else { return }
    let now = unixSeconds()
    // Read anew, for other processes may have written; what two write in the same moment is one's or the other's, and whole.
    var nodes = read()
    nodes.note(good: good, now: now)
    nodes.tidy(now: now, permitted: isPermitted)
    do throws(NodeCacheFile.Failure) {
      try file.write(nodes.text)
    } catch {
      logger.debug(
        "the DHT nodes cannot be kept for the next start",
        metadata: ["event": "dht.cache-unwritable", "reason": "\(error.reason)"])
    }
  }

  /// Saves now and then while the node runs, until cancelled.
  func keep(_ node: DHTNode, _ board: StatusBoard) async {
    await board.wait { $0 == .connected }
    var pause = Self.firstSave
    while (try? await Task.sleep(for: pause)) != nil {
      save(node.goodNodes())
      pause = Self.saveEvery
    }
  }

  private func read() -> KnownNodes {
    do throws(NodeCacheFile.Failure) {
      guard let text = try file.read() else { return KnownNodes() }
      guard var nodes = KnownNodes(text: text) else { throw NodeCacheFile.Failure(reason: "\(file.path) is damaged") }
      nodes.tidy(now: unixSeconds(), permitted: isPermitted)
      return nodes
    } catch {
      logger.debug(
        "the DHT nodes of the last run are not used",
        metadata: ["event": "dht.cache-ignored", "reason": "\(error.reason)"])
      return KnownNodes()
    }
  }

  /// Whether a datagram may go there: to one host, that our socket can reach. A link-local address says nothing without its interface;
  /// one of the own machine is a node only where the network is there.
  private func isPermitted(_ endpoint: Endpoint) -> Bool {
    let address = endpoint.address
    guard endpoint.port != 0, address.isUnicast, families.contains(address.family), address.unmapped == address else {
      return false
    }
    if address.isLoopback { return isOnLoopback }
    switch address {
    case .v4(let bits): return bits >> 24 != 0 && bits >> 16 != 0xA9FE
    case .v6(let high, _): return high >> 54 != 0xFE80 >> 6
    }
  }
}
