import Datagrams
import NIOCore
import Synchronization
import Testing
import Tubus

/// Channels whose connection has ended, and endpoints that are closed.
@Suite(.timeLimit(.minutes(2))) struct EndedChannelTests {
  /// The connection is gone by then; what it had brought is not.
  @Test func whoeverReadsLateGetsTheRestAndThenTheEnd() async throws {
    try await withEnded(after: 300_000) { channel, recorder in
      #expect(channel.isActive && recorder.state.withLock { $0.bytes.isEmpty })
      while channel.isActive { try await channel.eventLoop.submit { channel.read() }.get() }
      recorder.state.withLock { state in
        #expect(state.bytes.count == 300_000 && state.isInactive && state.errors.isEmpty)
      }
    }
  }

  @Test func aWriteAfterThePeerHasClosedFailsThoughSomethingIsStillToBeRead() async throws {
    try await withEnded(after: 24) { channel, _ in
      await #expect(throws: ChannelError.ioOnClosedChannel) {
        try await channel.writeAndFlush(ByteBuffer(string: "too late"))
      }
      // Nor is there anything to go on over another port.
      _ = try await withEndpoints { other, _ in
        await #expect(throws: (any Error).self) { try await other.takeOver(channel, to: .anyLoopback) }
      }
      let isOpen = try await channel.getOption(.tubusStatistics).get().isOpen
      #expect(channel.isActive && !isOpen)
    }
  }

  @Test func whatNobodyReadEndsWithTheEndpoint() async throws {
    let channel = Mutex<(any Channel)?>(nil)
    try await withEnded(after: 24) { left, _ in channel.withLock { $0 = left } }
    let left = try #require(channel.withLock { $0 })
    try await left.closeFuture.get()
    #expect(!left.isActive)
  }

  /// Its descriptor may be another socket's.
  @Test func aClosedEndpointNeitherConnectsNorListens() async throws {
    try await withEndpoints { listener, connector in
      await connector.close()
      await #expect(throws: ChannelError.ioOnClosedChannel) {
        _ = try await connector.connect(to: listener.localEndpoint) { $0.eventLoop.makeSucceededFuture($0) }
      }
      await #expect(throws: ChannelError.ioOnClosedChannel) {
        _ = try await connector.listen { $0.eventLoop.makeSucceededFuture($0) }
      }
    }
  }

  @Test func aSecondConnectionToOneAddressIsRefused() async throws {
    try await withEndpoints { listener, connector in
      let accepted = try await listener.listen { $0.eventLoop.makeSucceededFuture($0) }
      _ = try await connector.connect(to: listener.localEndpoint) { $0.eventLoop.makeSucceededFuture($0) }
      await #expect(throws: TubusEndpointError.alreadyConnected(listener.localEndpoint)) {
        _ = try await connector.connect(to: listener.localEndpoint) { $0.eventLoop.makeSucceededFuture($0) }
      }
      _ = accepted
    }
  }

  /// Calls `body` with a channel that nobody has read, whose peer has written, closed and gone.
  private func withEnded(
    after count: Int, _ body: @escaping (_ channel: any Channel, _ recorder: Recorder) async throws -> Void
  ) async throws {
    var configuration = TubusConfiguration()
    configuration.tearTimeout = .milliseconds(300)
    try await withEndpoints { [configuration] listener, connector in
      let recorder = Recorder()
      let accepted = try await listener.listen(configuration) { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.syncOptions?.setOption(.autoRead, value: false)
          try channel.pipeline.syncOperations.addHandler(recorder)
          return channel
        }
      }
      let left = try await connector.connect(to: listener.localEndpoint, configuration) {
        $0.eventLoop.makeSucceededFuture($0)
      }
      let right = try await accepted.first()
      try await left.writeAndFlush(ByteBuffer(repeating: 7, count: count))
      try await left.close()
      try await eventually("the listener forgets the connection") { try await listener.connectionCount() == 0 }
      try await body(right, recorder)
    }
  }
}
