import NIOCore

/// The tail of a stream's pipeline: asks for bytes when somebody wants them, and keeps no more than one read brings.
final class StreamReader: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  /// Who reads, so that a cancellation never hits the read after it.
  final class ReadID: Sendable {}

  private var waiting: [ByteBuffer] = []
  private var reader: EventLoopPromise<ByteBuffer?>?
  private var readID: ReadID?
  private var cancelled: ReadID?
  private var end: Result<Void, any Error>?
  private var isAdded = false
  private let record: StreamEnd
  private var isClosing = false

  /// Behind TLS, and before whatever a program adds to the pipeline.
  init(on channel: any Channel) {
    record = StreamEnd()
    try? channel.pipeline.syncOperations.addHandler(record)
  }

  /// The next bytes, nil at the end.
  func next(_ id: ReadID, on channel: any Channel) -> EventLoopFuture<ByteBuffer?> {
    let promise = channel.eventLoop.makePromise(of: ByteBuffer?.self)
    guard cancelled !== id else {
      promise.fail(CancellationError())
      return promise.futureResult
    }
    guard reader == nil else {
      promise.fail(PlexusError(.invalidOption, "two tasks read one stream", advice: "let one of them read"))
      return promise.futureResult
    }
    if !waiting.isEmpty {
      promise.succeed(waiting.removeFirst())
    } else if let end {
      promise.completeWith(end.map { nil })
    } else if !channel.isActive {
      // It ended before anybody read.
      promise.completeWith(isClosing ? .success(nil) : record.error.map { .failure($0) } ?? .success(nil))
    } else {
      reader = promise
      readID = id
      addIfNeeded(to: channel)
      channel.pipeline.syncOperations.read()
    }
    return promise.futureResult
  }

  /// Those who bring handlers of their own never read here, and must not find this one.
  private func addIfNeeded(to channel: any Channel) {
    guard !isAdded else { return }
    isAdded = true
    try? channel.pipeline.syncOperations.addHandler(self)
  }

  /// What still comes is not wanted: a stream that is being closed reads without being asked.
  func stop() { isClosing = true }

  /// A cancellation may come before the read that it is for, and is kept until then.
  func cancel(_ id: ReadID) {
    cancelled = id
    guard readID === id else { return }
    reader?.fail(CancellationError())
    reader = nil
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !isClosing else { return }
    let bytes = unwrapInboundIn(data)
    if let reader {
      self.reader = nil
      reader.succeed(bytes)
    } else {
      waiting.append(bytes)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { finish(.failure(error)) }

  func channelInactive(context: ChannelHandlerContext) {
    finish(.success(()))
    context.fireChannelInactive()
  }

  private func finish(_ result: Result<Void, any Error>) {
    if end == nil { end = result }
    guard let reader, let end else { return }
    self.reader = nil
    reader.completeWith(end.map { nil })
  }
}

/// Remembers why a stream broke, for a reader that comes later: one that was cut off must not look like one that has ended.
private final class StreamEnd: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  private(set) var error: (any Error)?

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if self.error == nil { self.error = error }
    context.fireErrorCaught(error)
  }
}
