import Logging
import NIOCore

/// A way to build tunnels to the far end.
public protocol TunnelConnector: Sendable {
  /// The way in a few words, for log lines: `192.0.2.1:40000 from 0.0.0.0:40001`.
  var description: String { get }

  /// Builds a tunnel, or waits for the far end to do so.
  ///
  /// - Returns: an active stream channel on `eventLoop`, made with `autoRead` off, not read yet.
  /// - Throws: ``WormholeError``: `farEndUnreachable` where another try may help, `tunnelImpossible` where it cannot.
  func connect(on eventLoop: any EventLoop) async throws -> any Channel
}

/// How long and how often a tunnel is tried for.
public struct TunnelPolicy: Hashable, Sendable {
  /// How long the far end may refuse before it is given up. The C++ wormhole's time: whoever starts both by hand has as long for the
  /// second.
  public var patience = Duration.seconds(30)
  /// Between two tries.
  public var pause = Duration.seconds(2)
  /// Whether to go on for ever, and to build the tunnel again when it breaks.
  public var isRetrying = false

  /// The C++ wormhole's behaviour.
  public init() {}

  /// Builds tunnels and uses them: one, or one after another as long as the task is not cancelled.
  ///
  /// - Throws: the last ``WormholeError`` when the far end cannot be reached in time, and, where there is no retrying, what the tunnel
  ///   ended with.
  public func keepTunnel(
    by connector: some TunnelConnector, on eventLoop: any EventLoop, logger: Logger,
    use: (any Channel) async throws -> Void
  ) async throws {
    while true {
      let channel = try await build(by: connector, on: eventLoop, logger: logger)
      let start = ContinuousClock.now
      logger.info("The tunnel to \(connector.description) is up", metadata: ["event": "wormhole.tunnel.up"])
      do {
        try await use(channel)
        logger.info("The far end closed the tunnel", metadata: ["event": "wormhole.tunnel.closed"])
        if !isRetrying { return }
      } catch let error as CancellationError {
        throw error
      } catch {
        let error = WormholeError(losingTunnel: error, isRetrying: isRetrying)
        guard isRetrying else { throw error }
        logger.warning("\(error)", metadata: ["event": "wormhole.tunnel.lost"])
      }
      // At once, unless tunnels break as fast as they are built.
      try await Task.sleep(until: start + pause)
    }
  }

  private func build(
    by connector: some TunnelConnector, on eventLoop: any EventLoop, logger: Logger
  ) async throws -> any Channel {
    let clock = ContinuousClock()
    let deadline = clock.now + patience
    var hasTold = false
    while true {
      do {
        return try await connector.connect(on: eventLoop)
      } catch let error as WormholeError where error.code == .farEndUnreachable {
        guard isRetrying || clock.now + pause < deadline else { throw error }
        logger.log(
          level: hasTold ? .debug : .info, "The far end is not there yet; trying on: \(error)",
          metadata: ["event": "wormhole.tunnel.refused"])
        hasTold = true
      }
      try await Task.sleep(for: pause)
    }
  }
}

extension WormholeError {
  /// The sentence for what a tunnel ended with.
  init(losingTunnel error: any Error, isRetrying: Bool) {
    let advice = isRetrying ? "it is built again" : "start both ends again, or use --retry"
    self = error as? WormholeError ?? WormholeError(.tunnelLost, "the tunnel broke: \(error); \(advice)")
  }
}
