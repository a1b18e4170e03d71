import NIOCore
import NIOEmbedded
import Testing

@testable import Plexus

/// What a reader is told who comes late, or waits for the end.
@Suite struct StreamReaderTests {
  @Test func whatCameUnaskedBeforeTheEndIsReadAfterIt() throws {
    try withReader { (reader, channel) throws in
      channel.pipeline.syncOperations.fireChannelRead(NIOAny(ByteBuffer(string: "short")))
      channel.pipeline.syncOperations.fireChannelInactive()
      #expect(try told(reader, channel).get() == ByteBuffer(string: "short"))
      #expect(try told(reader, channel).get() == nil)
    }
  }

  @Test func aStreamThatBrokeBeforeAnybodyReadIsBrokenForWhoeverReads() throws {
    try withReader { (reader, channel) throws in
      channel.pipeline.syncOperations.fireErrorCaught(ChannelError.inputClosed)
      #expect(throws: ChannelError.self) { _ = try told(reader, channel).get() }
      channel.pipeline.syncOperations.fireChannelInactive()
      #expect(throws: ChannelError.self) { _ = try told(reader, channel).get() }
    }
  }

  @Test func whoeverWaitsWhileItsOwnSideClosesIsToldTheEnd() throws {
    try withReader { (reader, channel) throws in
      let waiting = Answer(reader.next(StreamReader.ReadID(), on: channel.eventLoop))
      reader.stop()
      channel.pipeline.syncOperations.fireErrorCaught(ChannelError.inputClosed)
      channel.pipeline.syncOperations.fireChannelInactive()
      #expect(try waiting.get() == nil)
      #expect(try told(reader, channel).get() == nil)
    }
  }

  @Test func whatAProgramsOwnHandlersAskedForIsTheirs() throws {
    try withReader { (reader, channel) throws in
      channel.pipeline.syncOperations.read()
      channel.pipeline.syncOperations.fireChannelRead(NIOAny(ByteBuffer(string: "theirs")))
      #expect(try channel.readInbound(as: ByteBuffer.self) == ByteBuffer(string: "theirs"))
      channel.pipeline.syncOperations.fireChannelInactive()
      #expect(try told(reader, channel).get() == nil)
    }
  }

  private func withReader(_ body: (StreamReader, EmbeddedChannel) throws -> Void) throws {
    let (reader, channel) = (StreamReader(), EmbeddedChannel())
    defer { _ = try? channel.finish(acceptAlreadyClosed: true) }
    try channel.pipeline.syncOperations.addHandler(reader)
    try body(reader, channel)
  }

  private func told(_ reader: StreamReader, _ channel: EmbeddedChannel) -> Answer {
    Answer(reader.next(StreamReader.ReadID(), on: channel.eventLoop))
  }
}

/// What a read was told so far.
private final class Answer {
  private var result: Result<ByteBuffer?, any Error>?

  init(_ future: EventLoopFuture<ByteBuffer?>) {
    future.assumeIsolated().whenComplete { self.result = $0 }
  }

  /// Nobody waits for an answer here: it is there.
  func get() throws -> ByteBuffer? { try #require(result).get() }
}
