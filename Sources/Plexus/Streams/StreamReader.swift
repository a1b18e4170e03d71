import NIOCore

/// What reads a stream for the program: asks for bytes when somebody wants them, and keeps no more than one read brings.
///
/// It stands behind TLS and before whatever a program adds to the pipeline, from before the stream begins: so whoever reads for the first
/// time after the stream has ended still gets what came, and is told how it ended. Those who bring handlers of their own never read here,
/// and everything passes through to them.
final class StreamReader: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  /// Who reads, so that a cancellation never hits the read after it.
  final class ReadID: Sendable {}

  private var context: ChannelHandlerContext?
  private var waiting: [ByteBuffer] = []
  private var reader: EventLoopPromise<ByteBuffer?>?
  private var readID: ReadID?
  private var cancelled: ReadID?
  private var end: Result<Void, any Error>?
  /// Whether somebody read here: what comes is kept for the next who does.
  private var isUsed = false
  /// Whether a program's own handlers asked for bytes.
  private var isBypassed = false
  private var isClosing = false

  /// The next bytes, nil at the end.
  func next(_ id: ReadID, on eventLoop: any EventLoop) -> EventLoopFuture<ByteBuffer?> {
    let promise = eventLoop.makePromise(of: ByteBuffer?.self)
    guard cancelled !== id else {
      promise.fail(CancellationError())
      return promise.futureResult
    }
    guard reader == nil else {
      promise.fail(PlexusError(.invalidOption, "two tasks read one stream", advice: "let one of them read"))
      return promise.futureResult
    }
    isUsed = true
    if !waiting.isEmpty {
      promise.succeed(waiting.removeFirst())
    } else if let end {
      promise.completeWith(end.map { nil })
    } else {
      reader = promise
      readID = id
      context?.read()
    }
    return promise.futureResult
  }

  /// What still comes is not wanted, and how it ends is no matter: this side closes the stream, which then reads without being asked.
  func stop() { isClosing = true }

  /// A cancellation may come before the read that it is for, and is kept until then.
  func cancel(_ id: ReadID) {
    cancelled = id
    guard readID === id else { return }
    reader?.fail(CancellationError())
    reader = nil
  }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func handlerRemoved(context: ChannelHandlerContext) {
    self.context = nil
    // The end came before, but nobody must ever wait for one that does not come.
    finish(.failure(ChannelError.eof))
  }

  func read(context: ChannelHandlerContext) {
    isBypassed = true
    context.read()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard isUsed else {
      // Nobody has asked: the stream ends, and this is what waited at its beginning. Whoever comes later wants it.
      if !isBypassed { waiting.append(unwrapInboundIn(data)) }
      return context.fireChannelRead(data)
    }
    guard !isClosing else { return }
    let bytes = unwrapInboundIn(data)
    if let reader {
      self.reader = nil
      reader.succeed(bytes)
    } else {
      waiting.append(bytes)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    finish(.failure(error))
    context.fireErrorCaught(error)
  }

  func channelInactive(context: ChannelHandlerContext) {
    finish(.success(()))
    context.fireChannelInactive()
  }

  /// The first word counts: a stream that broke ends after that as any other does.
  private func finish(_ result: Result<Void, any Error>) {
    // Whoever closes need not hear that the other end did not wait for it.
    if end == nil { end = isClosing ? .success(()) : result }
    guard let reader, let end else { return }
    self.reader = nil
    reader.completeWith(end.map { nil })
  }
}
