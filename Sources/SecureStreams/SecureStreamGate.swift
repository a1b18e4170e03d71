import NIOCore
import NIOTLS

/// Waits for the end of the handshake, and keeps what comes right behind it until somebody asks for it: the handlers that want it
/// are added only when the stream is known to be secure.
final class SecureStreamGate: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private var done: EventLoopPromise<String?>?
  private var timeout: Scheduled<Void>?
  /// At most what one read of the stream below brings.
  private var early: [NIOAny] = []
  private var isWanted = false

  init(done: EventLoopPromise<String?>) { self.done = done }

  func handlerAdded(context: ChannelHandlerContext) {
    let channel = context.channel
    timeout = channel.eventLoop.assumeIsolated().scheduleTask(in: PeerTLS.timeout) { [weak self] in
      self?.finish(
        .failure(
          SecureStreamError(
            .broken,
            "the far end did not finish the TLS handshake within \(PeerTLS.timeout.nanoseconds / 1_000_000_000) s; "
              + "see that both sides run a release that speaks it")))
      channel.close(promise: nil)
    }
    // NIOSSL goes on to ask until something comes out.
    context.read()
  }

  func handlerRemoved(context: ChannelHandlerContext) { finish(.failure(ChannelError.ioOnClosedChannel)) }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case TLSUserEvent.handshakeCompleted(let name)? = event as? TLSUserEvent { finish(.success(name)) }
    context.fireUserInboundEventTriggered(event)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if isWanted { context.fireChannelRead(data) } else { early.append(data) }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    if isWanted { context.fireChannelReadComplete() }
  }

  func read(context: ChannelHandlerContext) {
    isWanted = true
    guard !early.isEmpty else { return context.read() }
    let waiting = early
    early = []
    for data in waiting { context.fireChannelRead(data) }
    context.fireChannelReadComplete()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    finish(.failure(error))
    context.fireErrorCaught(error)
  }

  func channelInactive(context: ChannelHandlerContext) {
    finish(.failure(ChannelError.eof))
    context.fireChannelInactive()
  }

  private func finish(_ result: Result<String?, any Error>) {
    timeout?.cancel()
    timeout = nil
    done?.completeWith(result)
    done = nil
  }
}
