import NIOCore
import NIOPosix
import Synchronization

/// Sends back what comes.
final class Echo: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.writeAndFlush(data, promise: nil) }
  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// Sends as much as is taken.
final class Source: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  private static let block = ByteBuffer(repeating: 7, count: 65_536)
  func channelActive(context: ChannelHandlerContext) { fill(context) }
  func channelWritabilityChanged(context: ChannelHandlerContext) { fill(context) }
  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

  private func fill(_ context: ChannelHandlerContext) {
    while context.channel.isActive, context.channel.isWritable {
      context.writeAndFlush(NIOAny(Self.block), promise: nil)
    }
  }
}

/// Counts what comes.
final class Counter: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  private let total: Total
  final class Total: Sendable { let bytes = Atomic(0) }

  init(_ total: Total) { self.total = total }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    total.bytes.add(unwrapInboundIn(data).readableBytes, ordering: .relaxed)
  }
  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// Waits until as many bytes came as it sent, then closes.
final class Caller: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  private let message: ByteBuffer
  private var missing: Int
  private let done: EventLoopPromise<Bool>

  init(_ message: ByteBuffer, _ done: EventLoopPromise<Bool>) {
    (self.message, self.done) = (message, done)
    missing = message.readableBytes
  }

  func channelActive(context: ChannelHandlerContext) { context.writeAndFlush(NIOAny(message), promise: nil) }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    missing -= unwrapInboundIn(data).readableBytes
    if missing == 0 { context.close(promise: nil) }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

  func channelInactive(context: ChannelHandlerContext) { done.succeed(missing == 0) }
}

func serve(
  _ port: Int, _ makeHandler: @escaping @Sendable () -> any ChannelInboundHandler & SendableMetatype
) async throws -> any Channel {
  try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
    .serverChannelOption(.backlog, value: 1024)
    .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
    .childChannelInitializer { channel in
      channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(makeHandler()) }
    }
    .bind(host: "127.0.0.1", port: port).get()
}
