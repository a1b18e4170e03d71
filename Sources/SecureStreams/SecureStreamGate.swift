import NIOCore
import NIOTLS

/// Waits for the end of the handshake, and keeps what comes right behind it until somebody asks for it: the handlers that want it
/// are added only when the stream is known to be secure. What nobody has asked for until the stream ends is delivered before its end.
final class SecureStreamGate: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private var done: EventLoopPromise<String?>?
  private let protocolName: String
  /// Whether the peer speaks for the same application: nothing else of it is delivered.
  private var isAgreed = false
  private var timeout: Scheduled<Void>?
  /// At most what two reads of the stream below bring: the one that ends the handshake, and NIOSSL's next.
  private(set) var early: [NIOAny] = []
  private var isWanted = false
  private var isDelivering = false
  /// Somebody asked while what waits here was being delivered.
  private var isAskedAgain = false

  /// - Parameter protocolName: what both sides have to agree on.
  init(done: EventLoopPromise<String?>, protocolName: String) { (self.done, self.protocolName) = (done, protocolName) }

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
    if case TLSUserEvent.handshakeCompleted(let name)? = event as? TLSUserEvent {
      isAgreed = name == protocolName
      finish(.success(name))
    }
    context.fireUserInboundEventTriggered(event)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard isAgreed else { return }
    // What comes during a delivery stands in line.
    if isWanted, !isDelivering { context.fireChannelRead(data) } else { early.append(data) }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    if isWanted, !isDelivering { context.fireChannelReadComplete() }
  }

  func read(context: ChannelHandlerContext) {
    isWanted = true
    guard !isDelivering else {
      isAskedAgain = true
      return
    }
    guard !early.isEmpty else { return context.read() }
    deliver(context)
    // A channel that reads by itself asks once, and again after each delivery of its own. This was none: without another question it would
    // never deliver anything.
    let isAutomatic = try? context.channel.syncOptions?.getOption(.autoRead)
    if isAutomatic == true { context.read() }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    finish(.failure(error))
    deliver(context)
    context.fireErrorCaught(error)
  }

  func channelInactive(context: ChannelHandlerContext) {
    finish(.failure(ChannelError.eof))
    deliver(context)
    context.fireChannelInactive()
  }

  /// Hands over what waits, in order, whatever the handlers behind do meanwhile.
  private func deliver(_ context: ChannelHandlerContext) {
    guard !early.isEmpty else { return }
    isDelivering = true
    while !early.isEmpty { context.fireChannelRead(early.removeFirst()) }
    isDelivering = false
    context.fireChannelReadComplete()
    guard isAskedAgain else { return }
    isAskedAgain = false
    context.read()
  }

  private func finish(_ result: Result<String?, any Error>) {
    timeout?.cancel()
    timeout = nil
    done?.completeWith(result)
    done = nil
  }
}
