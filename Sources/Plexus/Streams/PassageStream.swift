import Identity
import NIOCore
import SecureStreams
import Synchronization

/// A stream of bytes to a peer, over a passage: reliable, ordered, encrypted where both sides can.
///
/// Read it as a sequence of buffers, write to it, close it. While it is open it is kept: when the path breaks, the two sides meet again and the
/// stream goes on over another passage. That takes an acceptor whose ``Plexus/accept(from:perform:)`` still runs, and no fixed local port on
/// either side.
public final class PassageStream: Sendable {
  /// Who is at the other end: proved by its certificate where the stream is encrypted.
  public let peer: IdentityName
  /// Whether TLS 1.3 protects it. Where it does not, it is obscured by a 64-bit secret, which hides it from nobody who tries.
  public let isEncrypted: Bool
  /// The stream as a NIO channel, with `autoRead` off, for those who bring handlers. Either use this, or what reads and writes here. What has
  /// come already waits until it is asked for.
  public let channel: any Channel
  let path: StreamPath
  private let keeper: Task<Passage?, any Error>?
  /// Whether the passage to the peer's next life, if there is one, belongs to somebody else.
  private let isSuccessorTaken = Atomic(false)
  private let reader: NIOLoopBound<StreamReader>

  /// - Parameter reader: in the channel's pipeline, right behind TLS.
  init(
    channel: any Channel, reader: NIOLoopBound<StreamReader>, path: StreamPath, isEncrypted: Bool, plexus: Plexus?
  ) {
    self.channel = channel
    self.path = path
    self.isEncrypted = isEncrypted
    peer = path.peer
    self.reader = reader
    // Owned by the stream: it ends with the channel, and at the latest in `close()` or `deinit`.
    keeper = plexus.map { plexus in Task { try await PathKeeper(plexus: plexus, path: path).run() } }
  }

  deinit {
    // Whoever forgets to close must not leave the port bound; where it was closed this does nothing.
    let (channel, path, keeper) = (channel, path, keeper)
    let isTaken = isSuccessorTaken.load(ordering: .relaxed)
    Task {
      await path.close(afterFlushing: channel.isActive ? channel : nil)
      keeper?.cancel()
      if !isTaken, let next = try? await keeper?.value { await next.close() }
    }
  }

  /// The next bytes of the peer; nil once it has closed the stream, or this side has.
  ///
  /// - Throws: ``PlexusError`` (`streamBroken`, `notAuthenticated`), or `CancellationError`. One task reads at a time.
  public func read() async throws -> ByteBuffer? {
    try Task.checkCancellation()
    let id = StreamReader.ReadID()
    do {
      return try await withTaskCancellationHandler {
        try await channel.eventLoop.flatSubmit { [reader] in reader.value.next(id, on: reader.eventLoop) }.get()
      } onCancel: {
        channel.eventLoop.execute { [reader] in reader.value.cancel(id) }
      }
    } catch {
      throw failure(error)
    }
  }

  /// What a reader is told, in the facade's terms.
  private func failure(_ error: any Error) -> any Error {
    if let end = SecureStreamError(endOfStream: error) {
      return PlexusError(
        .streamBroken, "the stream to \(peer) broke: \(end)", advice: "connect again", cause: end)
    }
    guard error is ChannelError else { return PlexusError.describing(error) }
    return PlexusError(.streamBroken, "the stream to \(peer) is closed", advice: "connect again", cause: error)
  }

  /// Writes bytes; returns when the last of them has left for the first time, so that whoever waits for it never fills memory.
  ///
  /// - Throws: ``PlexusError`` (`streamBroken`), or `CancellationError`: then some of the bytes may have left, others may do so yet, and the stream
  ///   is good for nothing but to be closed.
  public func write(_ bytes: ByteBuffer) async throws {
    try Task.checkCancellation()
    let written = WriteResult(on: channel.eventLoop)
    channel.writeAndFlush(bytes).whenComplete { written.decide($0) }
    do {
      try await withTaskCancellationHandler {
        try await written.get()
      } onCancel: {
        written.decide(.failure(CancellationError()))
      }
    } catch let error as CancellationError {
      throw error
    } catch {
      throw PlexusError(
        .streamBroken, "the stream to \(peer) is closed (\(error))", advice: "connect again", cause: error)
    }
  }

  /// Writes text as UTF-8.
  public func write(_ text: String) async throws { try await write(ByteBuffer(string: text)) }

  /// Delivers what was written, closes the stream and gives its port back. A path that breaks meanwhile is found anew; after ten seconds in
  /// which nothing more arrives, the rest is given up. A cancelled task waits for a second.
  public func close() async { await end()?.close() }

  /// As ``close()``.
  ///
  /// - Returns: the passage to the peer's next life, where the keeper made one.
  func end() async -> Passage? {
    let wasActive = channel.isActive
    if wasActive { channel.eventLoop.execute { [reader] in reader.value.stop() } }
    await path.close(afterFlushing: wasActive ? channel : nil)
    // Until here it finds the path anew. It ends a stream before it hands over what comes next.
    if wasActive { keeper?.cancel() }
    isSuccessorTaken.store(true, ordering: .relaxed)
    let next = await withTaskCancellationHandler {
      try? await keeper?.value
    } onCancel: {
      keeper?.cancel()
    }
    guard let successor = next else { return nil }
    if wasActive { await successor.close() }
    return wasActive ? nil : successor
  }
}

extension PassageStream: AsyncSequence {
  /// Bytes as they come, of any number but none.
  public typealias Element = ByteBuffer

  /// Reads the stream.
  public struct AsyncIterator: AsyncIteratorProtocol {
    let stream: PassageStream
    /// The next bytes; nil once the peer has closed the stream.
    public mutating func next() async throws -> ByteBuffer? { try await stream.read() }
  }

  /// One task reads at a time.
  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(stream: self) }
}

/// How a write ended: the stream and a cancellation may both want to say it.
private final class WriteResult: Sendable {
  private let promise: EventLoopPromise<Void>
  private let isDecided = Atomic(false)

  init(on eventLoop: any EventLoop) { promise = eventLoop.makePromise() }

  func decide(_ result: Result<Void, any Error>) {
    if !isDecided.exchange(true, ordering: .relaxed) { promise.completeWith(result) }
  }

  func get() async throws { try await promise.futureResult.get() }
}
