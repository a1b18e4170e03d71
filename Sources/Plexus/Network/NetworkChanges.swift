import CNetworkChanges
import NIOCore
import NIOPosix

/// Tells when an address or a route of this host changes, and anyway now and then: the kernel's word is a hint to look, no more.
struct NetworkChanges: Sendable {
  /// One element a change or tick; what nobody takes in time is one.
  let looks: AsyncStream<Void>
  private let feed: AsyncStream<Void>.Continuation

  init() { (looks, feed) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

  /// Feeds ``looks`` until the task is cancelled.
  ///
  /// - Parameter interval: how often to look without a change: what the kernel does not tell is found then.
  func run(every interval: Duration, on eventLoop: any EventLoop) async {
    let listener = await listen(on: eventLoop)
    while (try? await Task.sleep(for: interval)) != nil { feed.yield() }
    try? await listener?.close()
    feed.finish()
  }

  private func listen(on eventLoop: any EventLoop) async -> (any Channel)? {
    let descriptor = plexus_network_changes_open()
    guard descriptor >= 0 else { return nil }
    return try? await NIOPipeBootstrap(group: eventLoop)
      .channelInitializer { [feed] channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Listener(feed)) }
      }
      .takingOwnershipOfDescriptor(input: descriptor).get()
  }

  private final class Listener: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let feed: AsyncStream<Void>.Continuation
    init(_ feed: AsyncStream<Void>.Continuation) { self.feed = feed }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { feed.yield() }
    // Too many changes for the socket's buffer: a look will tell.
    func errorCaught(context: ChannelHandlerContext, error: any Error) { feed.yield() }
  }
}
