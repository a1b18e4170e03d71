import NIOCore
import NIOPosix
import Synchronization

/// A TCP service on loopback.
final class TestService: Sendable {
  enum Kind: Sendable {
    /// Sends back what comes, and ends when the client ends.
    case echo
    /// Says how many bytes came, once the client has ended its side.
    case count
    /// Sends as much as it can, and reads nothing.
    case source
    /// Ends at once.
    case goodbye
  }

  private let channel: any Channel
  let port: Int
  /// Connections that are open, and that ever were.
  let open: Connections

  final class Connections: Sendable {
    let now = Atomic(0)
    let ever = Atomic(0)
  }

  static func start(_ kind: Kind) async throws -> TestService {
    let open = Connections()
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.backlog, value: 1024)
      .serverChannelOption(.maxMessagesPerRead, value: 64)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          open.now.add(1, ordering: .relaxed)
          open.ever.add(1, ordering: .relaxed)
          channel.closeFuture.whenComplete { _ in open.now.subtract(1, ordering: .relaxed) }
          try channel.pipeline.syncOperations.addHandler(Handler(kind))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    return TestService(channel: channel, open: open)
  }

  private init(channel: any Channel, open: Connections) {
    self.channel = channel
    self.open = open
    port = channel.localAddress?.port ?? 0
  }

  func stop() async { try? await channel.close() }

  private final class Handler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private let kind: Kind
    private var count = 0
    private static let block = ByteBuffer(repeating: 7, count: 65_536)

    init(_ kind: Kind) { self.kind = kind }

    func channelActive(context: ChannelHandlerContext) {
      switch kind {
      case .source: fill(context)
      case .goodbye: context.close(promise: nil)
      case .echo, .count: break
      }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      count += unwrapInboundIn(data).readableBytes
      if kind == .echo { context.writeAndFlush(data, promise: nil) }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) { if kind == .source { fill(context) } }

    private func fill(_ context: ChannelHandlerContext) {
      while context.channel.isActive, context.channel.isWritable {
        context.writeAndFlush(wrapOutboundOut(Self.block), promise: nil)
      }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
      guard case ChannelEvent.inputClosed? = event as? ChannelEvent else { return }
      if kind == .count { context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "\(count)")), promise: nil) }
      context.close(promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
  }
}
