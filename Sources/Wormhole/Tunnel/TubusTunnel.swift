import Datagrams
import NIOCore
import Tubus

/// Tunnels over tubus, the way of the C++ wormhole: the importer connects, the exporter accepts.
///
/// The UDP port stays bound from the first tunnel to ``close()``, so that a NAT keeps its mapping while tunnels come and go, and an
/// accepting end goes on to listen: a far end that was started again replaces its old tunnel at once.
public actor TubusTunnel: TunnelConnector {
  /// Who begins.
  public enum Side: Sendable {
    /// Begins.
    case connecting
    /// Waits for the other.
    case accepting
  }

  private let side: Side
  private let local: Endpoint
  private var newest: (any Channel)?
  private let remote: Endpoint
  private let configuration: TubusConfiguration
  private var endpoint: TubusEndpoint?
  private var accepted: AsyncStream<any Channel>?
  private var isClosed = false

  /// Unsent bytes that a tunnel may hold: less, and the path runs dry between two turns of the event loop; more, and what a small
  /// stream says waits longer behind what a large one said before.
  private static let waterMark = ChannelOptions.Types.WriteBufferWaterMark(low: 128 << 10, high: 256 << 10)

  /// Tunnels between two UDP endpoints.
  public init(_ side: Side, local: Endpoint, remote: Endpoint, configuration: TubusConfiguration = .init()) {
    self.side = side
    self.local = local
    self.remote = remote
    self.configuration = configuration
  }

  /// `192.0.2.1:40000 from 0.0.0.0:40001`.
  public nonisolated var description: String { "\(remote) from \(local)" }

  /// Binds the port, if that was not done before; ``connect(on:)`` does, too.
  ///
  /// - Throws: ``WormholeError`` when the port is taken or the address is not of this host.
  public func open(on eventLoop: any EventLoop) async throws {
    guard !isClosed else { throw WormholeError(.tunnelImpossible, "the tunnel's UDP port was given back") }
    guard endpoint == nil else { return }
    do {
      endpoint = try await TubusEndpoint.bind(to: local, on: eventLoop)
    } catch {
      throw WormholeError(.tunnelImpossible, "\(error)")
    }
  }

  /// Builds a tunnel: links to the far end, or waits for its link.
  public func connect(on eventLoop: any EventLoop) async throws -> any Channel {
    try await open(on: eventLoop)
    guard let endpoint else { throw WormholeError(.tunnelImpossible, "the tunnel's UDP port is closed") }
    let channel = try await tunnel(over: endpoint)
    newest = channel
    return channel
  }

  private func tunnel(over endpoint: TubusEndpoint) async throws -> any Channel {
    switch side {
    case .connecting:
      do {
        return try await endpoint.connect(to: remote, configuration, initializer: Self.prepare)
      } catch TubusEnding.notLinked {
        throw unanswered
      } catch let error as TubusEndpointError {
        // The one before is still being shut down.
        throw WormholeError(.farEndUnreachable, "\(error)")
      }
    case .accepting: return try await accept(by: endpoint)
    }
  }

  /// Gives the UDP port back, for good.
  public func close() async {
    isClosed = true
    accepted = nil
    if let newest { await Self.finish(newest) }
    newest = nil
    await endpoint?.close()
    endpoint = nil
  }

  /// A tunnel that is being closed says goodbye, for a second at most: otherwise its far end would wait for it in vain.
  private static func finish(_ channel: any Channel) async {
    let end = channel.eventLoop.scheduleTask(in: .seconds(1)) {
      channel.triggerUserOutboundEvent(TubusAbort(), promise: nil)
    }
    channel.close(promise: nil)
    try? await channel.closeFuture.get()
    end.cancel()
  }

  private var unanswered: WormholeError {
    WormholeError(
      .farEndUnreachable,
      "\(remote) did not answer within \(configuration.linkTimeout.components.seconds) s; "
        + "see that the other end runs, and that both have the same --obscure and each other's address")
  }

  private func accept(by endpoint: TubusEndpoint) async throws -> any Channel {
    let stream: AsyncStream<any Channel>
    if let accepted {
      stream = accepted
    } else {
      stream = try await endpoint.listen(configuration, for: remote, initializer: Self.prepare)
      accepted = stream
    }
    let timeout = configuration.linkTimeout
    let channel = try await withThrowingTaskGroup(of: (any Channel)?.self) { group in
      group.addTask {
        for await channel in stream { return channel }
        return nil
      }
      group.addTask {
        try await Task.sleep(for: timeout)
        return nil
      }
      defer { group.cancelAll() }
      return try await group.next() ?? nil
    }
    // Whoever stops to wait ends the sequence; the next try listens again.
    guard let channel else {
      accepted = nil
      try Task.checkCancellation()
      throw unanswered
    }
    return channel
  }

  @Sendable private static func prepare(_ channel: any Channel) -> EventLoopFuture<any Channel> {
    channel.eventLoop.makeCompletedFuture {
      try channel.syncOptions?.setOption(.autoRead, value: false)
      try channel.syncOptions?.setOption(.writeBufferWaterMark, value: waterMark)
      return channel
    }
  }
}
