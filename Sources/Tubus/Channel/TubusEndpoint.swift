import DatagramSockets
import Datagrams
import NIOCore
import NIOPosix

/// One UDP port with any number of tubus connections, each a NIO channel.
///
/// ```swift
/// let endpoint = try await TubusEndpoint.bind(to: Endpoint("0.0.0.0:0")!)
/// let stream = try await endpoint.connect(to: peer) { channel in
///   channel.eventLoop.makeCompletedFuture {
///     try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
///   }
/// }
/// ```
public final class TubusEndpoint: Sendable {
  /// What all connections of the endpoint may hold for their applications and beyond gaps together, bytes, also after their end.
  public static let defaultBufferLimit = 256 << 20

  private let socket: UDPSocket
  private let driver: NIOLoopBound<TubusDriver>
  private let eventLoop: any EventLoop

  /// The local address and port.
  public var localEndpoint: Endpoint { socket.localEndpoint }

  /// Binds a UDP port; port 0 takes any free one.
  ///
  /// - Parameters:
  ///   - bufferLimit: What all its connections may hold for their applications and beyond gaps together, bytes. What came of a peer that has
  ///     gone counts until it is read or its channel closed.
  ///   - usesOffload: Whether the kernel may cut and gather datagrams. Without, there is one datagram a call, and the same result.
  /// - Throws: `UDPSocketError` when the port is taken or the address is not of this host.
  public static func bind(
    to local: Endpoint, bufferLimit: Int = defaultBufferLimit, usesOffload: Bool = true,
    on group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
  ) async throws -> TubusEndpoint {
    try await TubusEndpoint(adopting: .bind(to: local, on: group), bufferLimit: bufferLimit, usesOffload: usesOffload)
  }

  /// Takes over a bound socket, such as that of a punched hole, which is never closed and bound again. It is closed by ``close()``;
  /// nobody may receive from it meanwhile.
  ///
  /// - Throws: `ChannelError.ioOnClosedChannel` if it was closed.
  public init(
    adopting socket: UDPSocket, bufferLimit: Int = defaultBufferLimit, usesOffload: Bool = true
  ) async throws {
    self.socket = socket
    driver = try await socket.handOver { channel, descriptor in
      if let options = channel.syncOptions {
        if usesOffload {
          // Not every kernel has them.
          try? options.setOption(.datagramReceiveOffload, value: true)
          try? options.setOption(.datagramReceiveSegmentSize, value: true)
        }
        // A burst is drained before anything else happens, within bounds.
        try options.setOption(.maxMessagesPerRead, value: 16)
      }
      return TubusDriver(
        channel: channel, descriptor: descriptor, bufferLimit: bufferLimit, hasSegmentation: usesOffload)
    }
    eventLoop = driver.eventLoop
  }

  /// Links to a peer that accepts, and returns once it has answered.
  ///
  /// - Parameter initializer: Sets the pipeline up, on the channel's event loop, before anything is read.
  /// - Throws: ``TubusEnding/notLinked`` when nobody answered within the configuration's time, ``TubusEndpointError`` if there is a
  ///   connection to that address already, `ChannelError.ioOnClosedChannel` if the endpoint is closed, what the initializer throws, and
  ///   `CancellationError`.
  public func connect<Output: Sendable>(
    to peer: Endpoint, _ configuration: TubusConfiguration = TubusConfiguration(),
    initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Output>
  ) async throws -> Output {
    let attempt = eventLoop.makePromise(of: Output.self)
    let linking = eventLoop.submit { [driver] in
      var channel: TubusChannel?
      channel = try driver.value.connect(to: peer, configuration) { ending in
        guard let channel, ending == nil else {
          attempt.fail(ending ?? .aborted)
          return
        }
        initializer(channel).assumeIsolated().whenComplete { result in
          switch result {
          case .success: channel.activate()
          case .failure: channel.pipeline.syncOperations.triggerUserOutboundEvent(TubusAbort(), promise: nil)
          }
          attempt.completeWith(result)
        }
      }
      guard let channel else { throw TubusEnding.aborted }
      return channel
    }
    linking.whenFailure { attempt.fail($0) }
    let link = try await linking.get()
    return try await withTaskCancellationHandler {
      do {
        return try await attempt.futureResult.get()
      } catch TubusEnding.aborted where Task.isCancelled {
        throw CancellationError()
      }
    } onCancel: {
      link.triggerUserOutboundEvent(TubusAbort(), promise: nil)
    }
  }

  /// Accepts peers until the sequence is let go of or the endpoint is closed.
  ///
  /// Peers show that they receive what is sent to their address before they appear here, so forged addresses cost little.
  ///
  /// - Parameters:
  ///   - peer: The only address to accept; nil for any.
  ///   - maximumConnections: Peers beyond are not answered. One that has gone counts until what it had sent is read or its channel closed.
  ///   - initializer: Sets the pipeline up, on the channel's event loop, before anything is read. If it fails, that peer
  ///     is shut down.
  /// - Throws: ``TubusEndpointError/alreadyListening``, or `ChannelError.ioOnClosedChannel` if the endpoint is closed.
  public func listen<Output: Sendable>(
    _ configuration: TubusConfiguration = TubusConfiguration(), for peer: Endpoint? = nil,
    maximumConnections: Int = 4096, initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Output>
  ) async throws -> AsyncStream<Output> {
    // Whoever does not take what was accepted holds one channel more, not without bound.
    let (stream, continuation) = AsyncStream.makeStream(of: Output.self, bufferingPolicy: .bufferingOldest(1024))
    try await eventLoop.submit { [driver] in
      try driver.value.accept(
        TubusDriver.Acceptance(
          configuration: configuration, peer: peer, maximumConnections: maximumConnections,
          accept: { channel in
            initializer(channel).assumeIsolated().whenComplete { result in
              guard case .success(let output) = result, case .enqueued = continuation.yield(output) else {
                channel.pipeline.syncOperations.triggerUserOutboundEvent(TubusAbort(), promise: nil)
                return
              }
              channel.activate()
            }
          }, end: { continuation.finish() }))
    }.get()
    continuation.onTermination = { [eventLoop, driver] _ in
      eventLoop.execute { try? driver.value.accept(nil) }
    }
    return stream
  }

  /// Takes over a connection from another endpoint of the same event loop: its stream goes on over this port, to another address of its
  /// peer. The peer has to do the same at about the same time, after both have agreed on it by other means.
  ///
  /// The other endpoint goes on without it, and may be closed.
  ///
  /// - Parameter stream: What another endpoint connected or accepted, and that is still open.
  /// - Throws: ``TubusEndpointError`` if there is a connection to that address or `stream` is none of this event loop,
  ///   `ChannelError.ioOnClosedChannel` if one of the two is closed, or the stream has ended and only waits to be read.
  public func takeOver(_ stream: any Channel, to peer: Endpoint) async throws {
    guard let stream = stream as? TubusChannel, stream.eventLoop === eventLoop else {
      throw TubusEndpointError.notMovable
    }
    try await eventLoop.submit { [driver] in
      guard stream.isActive, !stream.hasEnded else { throw ChannelError.ioOnClosedChannel }
      try driver.value.adopt(stream, at: peer)
    }.get()
  }

  /// How many connections there are.
  public func connectionCount() async throws -> Int {
    try await eventLoop.submit { [driver] in driver.value.count }.get()
  }

  /// Closes the socket. Connections end at once: close them first for what they have written to arrive.
  public func close() async { await socket.close() }
}

/// Why an endpoint refused.
public enum TubusEndpointError: Error, Hashable, Sendable, CustomStringConvertible {
  /// There is a connection to that address.
  case alreadyConnected(Endpoint)
  /// Somebody listens.
  case alreadyListening
  /// What was to be taken over is no tubus stream, or lives on another event loop.
  case notMovable

  /// One sentence with advice.
  public var description: String {
    switch self {
    case .alreadyConnected(let peer): "there is a stream to \(peer) already; close that one first"
    case .alreadyListening: "this UDP port is listened on already; end that first"
    case .notMovable: "only a tubus stream of the same event loop can be taken over; bind both ports on one event loop"
    }
  }
}
