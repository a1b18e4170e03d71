import DatagramSockets
import Datagrams
import NIOCore
import NIOPosix
import PlexusTesting
import Testing
import Tubus

@Suite struct ChannelTests {
  @Test(arguments: [0, 0xFEED_F00D_1234_5678], [true, false])
  func bytesComeBackFromAnEcho(secret: UInt64, usesOffload: Bool) async throws {
    var configuration = TubusConfiguration()
    configuration.secret = secret
    try await withEndpoints(usesOffload: usesOffload) { [configuration] listener, connector in
      let accepted = try await listener.listen(configuration, initializer: asyncTubus)
      let stream = try await connector.connect(to: listener.localEndpoint, configuration, initializer: asyncTubus)
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          try await accepted.first().executeThenClose { inbound, outbound in
            for try await bytes in inbound { try await outbound.write(bytes) }
          }
        }
        try await stream.executeThenClose { inbound, outbound in
          let sent = SimulatedTubus.bytes(from: 0, count: 60_000)
          try await outbound.write(sent)
          var received = ByteBuffer()
          for try await bytes in inbound {
            received.writeImmutableBuffer(bytes)
            if received.readableBytes >= sent.readableBytes { break }
          }
          #expect(received == sent)
        }
        // The echo ends because we closed.
        try await group.waitForAll()
      }
    }
  }

  @Test func closeDeliversWhatWasFlushed() async throws {
    try await withEndpoints { listener, connector in
      let recorder = Recorder()
      let accepted = try await listener.listen { channel in channel.pipeline.addHandler(recorder) }
      let channel = try await connector.connect(to: listener.localEndpoint) { $0.eventLoop.makeSucceededFuture($0) }
      var written = 0
      while written < 3_000_000 {
        channel.write(SimulatedTubus.bytes(from: UInt64(written), count: 50_000), promise: nil)
        written += 50_000
      }
      channel.flush()
      try await channel.close()
      #expect(!channel.isActive)
      try await eventually("the peer learns of the end") { recorder.state.withLock { $0.isInactive } }
      recorder.state.withLock { state in
        #expect(state.bytes.count == written)
        #expect(state.errors.isEmpty)
      }
      try await eventually("both let go") { try await connector.connectionCount() == 0 }
      _ = accepted
    }
  }

  @Test func aReaderThatDoesNotReadHoldsTheWriterBack() async throws {
    var configuration = TubusConfiguration()
    configuration.initialReceiveWindow = 100_000
    configuration.maximumUnsent = 200_000
    try await withEndpoints { [configuration] listener, connector in
      let recorder = Recorder()
      let accepted = try await listener.listen(configuration) { channel in
        channel.setOption(.autoRead, value: false).flatMap { channel.pipeline.addHandler(recorder).map { channel } }
      }
      let writer = Recorder()
      let channel = try await connector.connect(to: listener.localEndpoint, configuration) { channel in
        channel.pipeline.addHandler(writer).map { channel }
      }
      let reader = try await accepted.first()
      var written = 0
      while channel.isWritable, written < 10_000_000 {
        channel.writeAndFlush(SimulatedTubus.bytes(from: UInt64(written), count: 10_000), promise: nil)
        written += 10_000
        try await channel.eventLoop.submit {}.get()
      }
      // What is unsent, and what the window takes with its random part: not more.
      #expect(written < 500_000)
      #expect(recorder.state.withLock { $0.bytes.isEmpty })
      try await reader.setOption(.autoRead, value: true).get()
      try await eventually("everything arrives") { recorder.state.withLock { $0.bytes.count } == written }
      try await eventually("the writer may go on") { channel.isWritable }
      #expect(writer.state.withLock { $0.writabilityChanges } >= 2)
    }
  }

  @Test func anAbortedWriteIsNotSaidToHaveLeft() async throws {
    try await withEndpoints { listener, connector in
      let accepted = try await listener.listen { $0.eventLoop.makeSucceededFuture($0) }
      let channel = try await connector.connect(to: listener.localEndpoint) { $0.eventLoop.makeSucceededFuture($0) }
      // More than any window lets go at once.
      let left = channel.eventLoop.makePromise(of: Void.self)
      try await channel.eventLoop.submit {
        for _ in 0..<200 { channel.write(SimulatedTubus.bytes(from: 0, count: 60_000), promise: nil) }
        channel.writeAndFlush(SimulatedTubus.bytes(from: 0, count: 1), promise: left)
        channel.triggerUserOutboundEvent(TubusAbort(), promise: nil)
      }.get()
      await #expect(throws: TubusEnding.aborted) { try await left.futureResult.get() }
      _ = accepted
    }
  }

  @Test func onePortCarriesManyPeers() async throws {
    let listener = try await TubusEndpoint.bind(to: .anyLoopback)
    let accepted = try await listener.listen(initializer: asyncTubus)
    let peers = 60
    try await withThrowingDiscardingTaskGroup { group in
      group.addTask {
        try await withThrowingDiscardingTaskGroup { echoes in
          var left = peers
          for await stream in accepted {
            echoes.addTask {
              try await stream.executeThenClose { inbound, outbound in
                for try await bytes in inbound { try await outbound.write(bytes) }
              }
            }
            left -= 1
            if left == 0 { break }
          }
        }
      }
      for peer in 0..<peers {
        group.addTask {
          let endpoint = try await TubusEndpoint.bind(to: .anyLoopback)
          let stream = try await endpoint.connect(to: listener.localEndpoint, initializer: asyncTubus)
          try await stream.executeThenClose { inbound, outbound in
            let sent = SimulatedTubus.bytes(from: UInt64(peer), count: 5000)
            try await outbound.write(sent)
            var received = ByteBuffer()
            for try await bytes in inbound {
              received.writeImmutableBuffer(bytes)
              if received.readableBytes >= 5000 { break }
            }
            #expect(received == sent)
          }
          await endpoint.close()
        }
      }
    }
    try await eventually("all are let go") { try await listener.connectionCount() == 0 }
    await listener.close()
  }

  @Test func aBoundSocketIsTakenOverWithWhatItHasReceived() async throws {
    let socket = try await UDPSocket.bind(to: .anyLoopback)
    try await withEndpoints { _, connector in
      // The link is in the socket before anybody speaks tubus on it.
      async let stream = connector.connect(to: socket.localEndpoint, initializer: asyncTubus)
      try await Task.sleep(for: .milliseconds(30))
      let listener = try await TubusEndpoint(adopting: socket)
      #expect(listener.localEndpoint == socket.localEndpoint)
      let accepted = try await listener.listen { channel in channel.eventLoop.makeSucceededFuture(channel) }
      let channel = try await accepted.first()
      try await channel.close()
      try await stream.executeThenClose { inbound, _ in
        for try await _ in inbound { Issue.record("nothing was written") }
      }
      await listener.close()
    }
  }

  @Test func aPeerThatBeginsAnewReplacesItsFormerSelf() async throws {
    let listener = try await TubusEndpoint.bind(to: .anyLoopback)
    let accepted = try await listener.listen { channel in
      let recorder = Recorder()
      return channel.pipeline.addHandler(recorder).map { (channel, recorder) }
    }
    var streams = accepted.makeAsyncIterator()
    let first = try await TubusEndpoint.bind(to: .anyLoopback)
    _ = try await first.connect(to: listener.localEndpoint) { $0.eventLoop.makeSucceededVoidFuture() }
    let (old, recorder) = try #require(await streams.next())
    // It dies without a word, and comes again on its port.
    let port = first.localEndpoint
    await first.close()
    let second = try await TubusEndpoint.bind(to: port)
    let channel = try await second.connect(to: listener.localEndpoint) { $0.eventLoop.makeSucceededFuture($0) }
    let (_, again) = try #require(await streams.next())
    try await eventually("the old one ends") { !old.isActive }
    #expect(recorder.state.withLock { $0.errors } == ["\(TubusEnding.replaced)"])
    try await channel.writeAndFlush(ByteBuffer(string: "again"))
    try await eventually("the new one works") { again.state.withLock { $0.bytes } == Array("again".utf8) }
    await second.close()
    await listener.close()
  }

  @Test func forgedLinksNeitherPileUpNorDisturb() async throws {
    try await withEndpoints { listener, connector in
      let recorder = Recorder()
      let accepted = try await listener.listen { channel in channel.pipeline.addHandler(recorder).map { channel } }
      let channel = try await connector.connect(to: listener.localEndpoint) { $0.eventLoop.makeSucceededFuture($0) }
      var streams = accepted.makeAsyncIterator()
      _ = await streams.next()
      let link: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 1, 2, 0, 0, 0, 5, 0, 2, 0, 0]
      // Sockets that never answer what the listener asks them.
      var forgers: [UDPSocket] = []
      for _ in 0..<200 {
        let forger = try await UDPSocket.bind(to: .anyLoopback)
        try await forger.send(Transmit(to: listener.localEndpoint, payload: link))
        forgers.append(forger)
      }
      try await channel.writeAndFlush(ByteBuffer(string: "still here"))
      try await eventually("the real one goes on") { recorder.state.withLock { $0.bytes } == Array("still here".utf8) }
      // Our peer, and those that have not proved themselves yet.
      #expect(try await listener.connectionCount() <= 129)
      for forger in forgers { await forger.close() }
    }
  }

  @Test func nobodyThereIsAnErrorWithAdvice() async throws {
    var configuration = TubusConfiguration()
    configuration.linkTimeout = .milliseconds(300)
    let deaf = try await UDPSocket.bind(to: .anyLoopback)
    let endpoint = try await TubusEndpoint.bind(to: .anyLoopback)
    let attempt = Task { [configuration] in
      try await endpoint.connect(to: deaf.localEndpoint, configuration, initializer: asyncTubus)
    }
    await #expect(throws: TubusEnding.notLinked) { try await attempt.value }
    #expect("\(TubusEnding.notLinked)".contains("same secret"))
    await endpoint.close()
    await deaf.close()
  }

  @Test func aCancelledConnectLeavesNothing() async throws {
    let deaf = try await UDPSocket.bind(to: .anyLoopback)
    let endpoint = try await TubusEndpoint.bind(to: .anyLoopback)
    let attempt = Task { try await endpoint.connect(to: deaf.localEndpoint, initializer: asyncTubus) }
    try await eventually("the attempt is under way") { try await endpoint.connectionCount() == 1 }
    attempt.cancel()
    await #expect(throws: CancellationError.self) { try await attempt.value }
    try await eventually("nothing is left") { try await endpoint.connectionCount() == 0 }
    await endpoint.close()
    await deaf.close()
  }

  @Test func anotherSecretFindsNobody() async throws {
    try await withEndpoints { listener, connector in
      var ours = TubusConfiguration()
      ours.secret = 7
      ours.linkTimeout = .milliseconds(300)
      var theirs = ours
      theirs.secret = 8
      let accepted = try await listener.listen(ours, initializer: asyncTubus)
      let attempt = Task { [theirs] in
        try await connector.connect(to: listener.localEndpoint, theirs, initializer: asyncTubus)
      }
      await #expect(throws: TubusEnding.notLinked) { try await attempt.value }
      // Of many garbled links one may look like a link; it proves nothing, and is soon forgotten.
      try await eventually("nobody is there") { try await listener.connectionCount() == 0 }
      _ = accepted
    }
  }

  @Test func closingTheEndpointEndsItsStreams() async throws {
    let listener = try await TubusEndpoint.bind(to: .anyLoopback)
    let accepted = try await listener.listen { $0.eventLoop.makeSucceededFuture($0) }
    let connector = try await TubusEndpoint.bind(to: .anyLoopback)
    let channel = try await connector.connect(to: listener.localEndpoint) { $0.eventLoop.makeSucceededFuture($0) }
    await connector.close()
    try await channel.closeFuture.get()
    #expect(!channel.isActive)
    await #expect(throws: ChannelError.self) { try await channel.writeAndFlush(ByteBuffer(string: "x")) }
    await listener.close()
    for await channel in accepted { try await channel.closeFuture.get() }
  }

  @Test func aSecondListenerIsRefused() async throws {
    try await withEndpoints { listener, _ in
      let accepted = try await listener.listen(initializer: asyncTubus)
      let second = Task { try await listener.listen(initializer: asyncTubus) }
      await #expect(throws: TubusEndpointError.alreadyListening) { _ = try await second.value }
      _ = accepted
    }
  }
}
