import Datagrams
import Logging
import NIOCore
import NIOPosix

/// The end of a wormhole that has the services: for each stream that a tunnel's far end opens it connects to one of them.
///
/// It can serve several tunnels at once, one for each peer.
public final class WormholeExporter: Sendable {
  /// What to choose about an exporter.
  public struct Configuration: Sendable {
    /// How long a service may take to accept a connection. It is usually on this machine or beside it.
    public var connectPatience = Duration.seconds(10)
    /// Whether to offer more than the old wire to the far end.
    public var isPlain = false
    var limits = SessionLimits()
    var features: Hello.Features? { isPlain ? nil : .all }

    /// The defaults.
    public init() {}
  }

  /// What is offered.
  public let services: [ExportedService]
  private let configuration: Configuration
  private let logger: Logger
  private let counters = WormholeCounters()

  /// An exporter of some services; the first one, or the one without a name, is what C++ importers get.
  public init(_ services: [ExportedService], configuration: Configuration = .init(), logger: Logger) {
    self.services = services
    self.configuration = configuration
    self.logger = logger
  }

  /// Serves the streams of a tunnel until it ends.
  ///
  /// - Parameter tunnel: a stream channel that was made with `autoRead` off and not read yet. It is closed on the way out, also when
  ///   the task is cancelled.
  /// - Throws: ``WormholeError`` or what the channel ended with; nothing when the far end closed it in order.
  public func run(_ tunnel: any Channel) async throws {
    try await tunnel.runUntilItEnds(on: tunnel.eventLoop) { [services, configuration, logger, counters] end in
      let state = ExporterState(
        services: services, configuration: configuration, counters: counters, logger: logger,
        eventLoop: tunnel.eventLoop)
      // The state lives as long as its tunnel.
      end.futureResult.assumeIsolated().whenComplete { _ in state.tunnel = nil }
      state.begin(tunnel, end: end)
    }
  }

  /// What it has done so far, over all tunnels.
  public var status: WormholeStatus { counters.status }
}
