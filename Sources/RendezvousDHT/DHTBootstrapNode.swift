import Datagrams
import LibC
import Logging
import Rendezvous

/// A DHT node that others start from: it stores and answers for them.
///
/// What strangers can make it hold is bounded: 131,072 keys and 64 MiB of values, each at most 64 KiB and gone after ten
/// minutes unless it is put again; and OpenDHT answers each source so many requests a second only.
public final class DHTBootstrapNode: Sendable {
  /// The local port.
  public let port: UInt16
  private let node: DHTNode
  private let board = StatusBoard()
  private let configuration: DHTConfiguration
  private let cache: NodeCache?

  /// Starts the node.
  ///
  /// - Parameters:
  ///   - configuration: without `bootstrap` it is a network of its own until others come, and keeps no nodes in `cacheFolder`:
  ///     nobody asked it to join those whom it met as a part of another.
  ///   - logger: takes a line at level debug where the cache is of no use.
  /// - Throws: ``RendezvousError`` with code `portTaken` or `cannotStart`.
  public init(_ configuration: DHTConfiguration, logger: Logger) throws(RendezvousError) {
    self.configuration = configuration
    let folder = configuration.bootstrap.isEmpty ? nil : configuration.cacheFolder
    cache = folder.map { folder in
      NodeCache(
        folder: folder, keeper: .server, configuration: configuration,
        unixSeconds: { UInt64(clamping: time(nil)) }, logger: logger)
    }
    let wanted: UInt16 =
      switch configuration.port {
      case .preferred(let port), .fixed(let port): port
      }
    let addresses = [configuration.address4, configuration.address6].compactMap { $0?.description }
    do {
      node = try DHTNode(
        .init(
          port: wanted, address4: configuration.address4?.description, address6: configuration.address6?.description,
          network: configuration.network, serves: true),
        onStatus: { [board] in board.post($0) })
    } catch {
      let place = "UDP port \(wanted) of \(addresses.joined(separator: " and "))"
      throw error.isPortTaken
        ? RendezvousError(.portTaken, "\(place) is taken by another program; choose another port for the DHT")
        : RendezvousError(
          .cannotStart, "the DHT node cannot use \(place): \(error.reason); choose another address or port")
    }
    port = node.port
  }

  /// Stays connected to the hosts of `bootstrap` until cancelled, then stops.
  public func run(onEvent: @escaping @Sendable (DHTEvent) -> Void = { _ in }) async {
    if configuration.bootstrap.isEmpty {
      // Ends by cancellation only.
      for await _ in AsyncStream<Never>.makeStream().stream {}
    } else {
      let bootstrapper = Bootstrapper(
        node: node, configuration: configuration, knownNodes: { [cache] in cache?.load() ?? [] }, onEvent: onEvent)
      await withTaskGroup(of: Void.self) { group in
        group.addTask { await bootstrapper.run(self.board) }
        group.addTask { await self.cache?.keep(self.node, self.board) }
        // The bootstrapper tells of the later connections.
        group.addTask {
          await self.board.wait { $0 == .connected }
          if !Task.isCancelled { onEvent(.connected) }
        }
      }
      cache?.save(node.goodNodes())
    }
    stop()
  }

  /// Ends the node; returns when none of its threads runs any more. Stopping twice does nothing.
  public func stop() { node.stop() }
}
