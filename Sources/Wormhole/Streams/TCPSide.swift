import DequeModule
import LibC
import NIOCore

/// A TCP connection of this machine as the local side of a stream: the last handler of its channel.
///
/// The channel is made with the options of `prepare`: not read unless asked, half-closing, and not writable while anything waits in it, so that what
/// the kernel has not taken is known and counted.
final class TCPSide: ChannelInboundHandler, LocalSide {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  /// The tunnel and the stream's id in it; nil for a client that waits for a tunnel.
  private var stream: (tunnel: TunnelHandler, id: UInt32)?
  /// Nil before the service is reached, and after the end.
  private var context: ChannelHandlerContext?
  private var hasEnded = false
  /// Called when the connection is gone.
  var onEnd: ((TCPSide) -> Void)?

  /// What waits for the kernel.
  private var waiting = Deque<ByteBuffer>()
  private var waitingCount = 0
  /// Whether the last of them is a copy that more can be appended to.
  private var isLastCopied = false
  /// What was written and has perhaps not left the channel.
  private var inChannel = 0
  /// What came and was not yet said to be delivered.
  private var undelivered = 0
  private var isDraining = false
  var isTouched = false

  private var hasInputEnded = false
  /// What a client said that ended before there was a tunnel for it: the end makes the channel read all that the kernel holds, asked
  /// or not.
  private var early: [ByteBuffer] = []
  /// The tunnel will bring no more.
  private var isFinishing = false
  private var hasOutputEnded = false
  /// The stream is over: deliver, then close.
  private var isClosing = false

  /// Larger writes bring nothing.
  private static let writeSize = 256 << 10
  /// Copies are gathered up to here.
  private static let copySize = 64 << 10
  /// A client that was told the end has this long to end, too, before its connection is closed under it. Closed at once, bytes that it
  /// is still sending would make the kernel send a reset, which can overtake what it has not read.
  private static let lingering = TimeAmount.seconds(2)

  /// Gives the side its stream. Before, nothing is read.
  func begin(_ id: UInt32, of tunnel: TunnelHandler) {
    stream = (tunnel, id)
    for bytes in early { tunnel.send(bytes, on: id) }
    early = []
    if hasInputEnded { tunnel.finish(id) }
    readIfWanted()
  }

  // MARK: The tunnel's side

  func receive(_ bytes: ByteBuffer) {
    guard !hasEnded else { return }
    undelivered += bytes.readableBytes
    store(bytes)
    if waitingCount >= Self.writeSize { drain() }
  }

  func flush() { drain() }

  func finish() {
    isFinishing = true
    drain()
  }

  func close(_ reason: CloseReason?) {
    isClosing = true
    guard reason != nil else { return finish() }
    drop()
    guard let context else { return end { $0.release($1) } }
    reset(context.channel)
  }

  func resume() { readIfWanted() }

  /// Ends the connection so that the other side sees that it was cut, not that it ended.
  private func reset(_ channel: any Channel) {
    (channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenFailure { _ in }
    channel.close(promise: nil)
  }

  /// A few bytes must not keep the large buffer alive that they were read into, and many small writes cost more than a copy.
  private func store(_ bytes: ByteBuffer) {
    let count = bytes.readableBytes
    waitingCount += count
    guard count < SessionLimits.copied || count * 4 < bytes.storageCapacity else {
      isLastCopied = false
      return waiting.append(bytes)
    }
    if isLastCopied, let last = waiting.last, last.readableBytes + count <= Self.copySize {
      waiting[waiting.count - 1].writeImmutableBuffer(bytes)
    } else {
      waiting.append(ByteBuffer(bytes.readableBytesView))
      isLastCopied = true
    }
  }

  private func drop() {
    waiting.removeAll()
    waitingCount = 0
  }

  private func drain() {
    guard let context, !isDraining else { return }
    isDraining = true
    let channel = context.channel
    while channel.isWritable, !waiting.isEmpty {
      inChannel = 0
      while inChannel < Self.writeSize, let piece = waiting.popFirst() {
        inChannel += piece.readableBytes
        context.write(wrapOutboundOut(piece), promise: nil)
      }
      waitingCount -= inChannel
      context.flush()
    }
    if waiting.isEmpty { isLastCopied = false }
    isDraining = false
    // The flush may have found that the connection is gone.
    guard self.context != nil else { return }
    if channel.isWritable { inChannel = 0 }
    let delivered = undelivered - waitingCount - inChannel
    undelivered -= delivered
    if let stream { stream.tunnel.deliver(delivered, on: stream.id) }
    if undelivered == 0 { endIfDone(context) }
  }

  private func endIfDone(_ context: ChannelHandlerContext) {
    guard isFinishing else { return }
    if hasInputEnded, isClosing || hasOutputEnded {
      context.close(promise: nil)
    } else if !hasOutputEnded {
      hasOutputEnded = true
      context.close(mode: .output, promise: nil)
      if hasInputEnded { return context.close(promise: nil) }
      guard isClosing else { return }
      context.eventLoop.assumeIsolated().scheduleTask(in: Self.lingering) { self.context?.close(promise: nil) }
      context.read()
    }
  }

  // MARK: The connection's side

  func handlerAdded(context: ChannelHandlerContext) {
    guard !hasEnded else { return reset(context.channel) }
    self.context = context
    if context.channel.isActive { start() }
  }

  func channelActive(context: ChannelHandlerContext) { start() }

  private func start() {
    readIfWanted()
    drain()
  }

  private func readIfWanted() {
    guard let context, let stream, !hasInputEnded else { return }
    if isClosing || stream.tunnel.takesMore(stream.id) { context.read() }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !isClosing else { return }
    let bytes = unwrapInboundIn(data)
    if let stream { stream.tunnel.send(bytes, on: stream.id) } else { early.append(bytes) }
  }

  func channelReadComplete(context: ChannelHandlerContext) { readIfWanted() }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if context.channel.isWritable { drain() }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard case ChannelEvent.inputClosed? = event as? ChannelEvent else { return }
    hasInputEnded = true
    if let stream, !isClosing { stream.tunnel.finish(stream.id) }
    if undelivered == 0 { endIfDone(context) }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // A client that hurries away after its last byte is no reason to lose the byte: what was read before its end still goes.
    if !hasInputEnded { end { $0.cut($1, for: CloseReason(.reset, "the connection was reset")) } }
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) {
    // With both directions ended the channel closes itself instead of telling the second end.
    if hasOutputEnded, !hasInputEnded, let stream { stream.tunnel.finish(stream.id) }
    end { $0.release($1) }
  }

  func handlerRemoved(context: ChannelHandlerContext) { end { $0.release($1) } }

  private func end(_ leave: (TunnelHandler, UInt32) -> Void) {
    guard !hasEnded else { return }
    hasEnded = true
    context = nil
    drop()
    if let stream { leave(stream.tunnel, stream.id) }
    stream = nil
    onEnd?(self)
    onEnd = nil
  }
}
