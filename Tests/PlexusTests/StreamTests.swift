import DatagramSockets
import Datagrams
import Identity
import Logging
import NIOCore
import PlexusTesting
import Rendezvous
import Synchronization
import Testing

@testable import Plexus

@Suite(.timeLimit(.minutes(2))) struct StreamTests {
  @Test func aStreamIsEncryptedAndCarriesBytesBothWays() async throws {
    try await World.run { world in
      try await world.whileBobAccepts(world.plexus(World.bob), perform: Self.echo) {
        let stream = try await world.plexus(World.alice).invite(IdentityName(World.bob)).openStream()
        #expect(stream.isEncrypted && stream.peer.description == World.bob)
        try await stream.write("hello")
        #expect(try await stream.read() == ByteBuffer(string: "hello"))
        await stream.close()
        #expect(try await stream.read() == nil)
        await #expect { try await stream.write("more") } throws: { ($0 as? PlexusError)?.code == .streamBroken }
      }
    }
  }

  @Test func aPassageBecomesOneStream() async throws {
    try await World.run { world in
      try await world.whileBobAccepts(world.plexus(World.bob), perform: Self.echo) {
        let passage = try await world.plexus(World.alice).invite(IdentityName(World.bob))
        let stream = try await passage.openStream()
        await #expect { _ = try await passage.openStream() } throws: { ($0 as? PlexusError)?.code == .invalidOption }
        await passage.close()
        try await stream.write("hello")
        #expect(try await stream.read() == ByteBuffer(string: "hello"))
        await stream.close()
      }
    }
  }

  /// Its ports are free as it ends.
  @Test func aLoopThatIsCancelledHasEndedEverything() async throws {
    try await World.run { world in
      let free = try await UDPSocket.bind(to: Endpoint(address: .v4(0x7F00_0001), port: 0))
      await free.close()
      let bob = try world.plexus(World.bob) { $0.dht.port = .fixed(free.localEndpoint.port) }
      for _ in 1...3 {
        let (joined, feed) = AsyncStream.makeStream(of: Void.self)
        let loop = Task {
          for try await passage in bob.accept() {
            await passage.close()
            feed.finish()
          }
        }
        try await world.plexus(World.alice).invite(IdentityName(World.bob)).close()
        for await _ in joined {}
        loop.cancel()
        try await loop.value
      }
    }
  }

  @Test func aStreamThatIsForgottenGivesItsPortBack() async throws {
    try await World.run { world in
      try await world.whileBobAccepts(world.plexus(World.bob), perform: Self.echo) {
        let port = try await Self.forget(world.plexus(World.alice).invite(IdentityName(World.bob)))
        // The time limit of the suite ends a wait in vain.
        while true {
          if let socket = try? await UDPSocket.bind(to: port) { return await socket.close() }
          try await Task.sleep(for: .milliseconds(20))
        }
      }
    }
  }

  private static func forget(_ passage: Passage) async throws -> Endpoint {
    let stream = try await passage.openStream()
    return stream.path.passage.socket.localEndpoint
  }

  /// What comes back over a new passage is what was sent over the old one, in one stream.
  @Test func aStreamGoesOnOverAnotherPassage() async throws {
    try await World.run { world in
      let log = LogRecorder()
      let bob = try world.plexus(World.bob, log: log)
      try await world.whileBobAccepts(bob, perform: Self.echo) {
        let alice = try world.plexus(World.alice)
        let stream = try await alice.invite(IdentityName(World.bob)).openStream()
        for round in 1...3 {
          async let sent: Void = stream.write(ByteBuffer(repeating: UInt8(round), count: 1 << 20))
          let passage = try await alice.passage(to: IdentityName(World.bob), continuing: stream.path)
          #expect(passage.continues == stream.path.token)
          let old = stream.path.passage.socket.localEndpoint
          try await stream.path.move(to: passage)
          try await sent
          var count = 0
          while count < 1 << 20, let bytes = try await stream.read() {
            #expect(bytes == ByteBuffer(repeating: UInt8(round), count: bytes.readableBytes))
            count += bytes.readableBytes
          }
          #expect(count == 1 << 20)
          #expect(stream.path.passage.socket.localEndpoint != old)
        }
        await stream.close()
        try await log.wait(for: "go on over")
      }
    }
  }

  /// By a clock that runs twenty times as fast the peer, which says something each second, is silent for as many.
  @Test func theKeeperGoesByTheClockItWasGiven() async throws {
    try await World.run { world in
      let log = LogRecorder()
      let start = PlexusClock.system.now()
      let clock = PlexusClock(
        now: { .zero.advanced(by: start.duration(to: PlexusClock.system.now()) * 20) }, sleep: PlexusClock.system.sleep)
      try await world.whileBobAccepts(world.plexus(World.bob), perform: Self.echo) {
        let alice = try world.plexus(World.alice, log: log) { $0.clock = clock }
        let stream = try await alice.invite(IdentityName(World.bob)).openStream()
        try await log.wait(for: "Nothing is heard of")
        try await stream.write("still there")
        #expect(try await stream.read() == ByteBuffer(string: "still there"))
        await stream.close()
      }
    }
  }

  /// Both wait for the other to be done, in the order in which programs do.
  @Test func whatThePeerWroteBeforeItClosedIsReadHoweverLate() async throws {
    try await World.run { world in
      let (closed, feed) = AsyncStream.makeStream(of: Void.self)
      try await world.whileBobAccepts(
        world.plexus(World.bob),
        perform: { passage in
          let stream = try await passage.openStream()
          try await stream.write(ByteBuffer(repeating: 7, count: 300_000))
          await stream.close()
          feed.finish()
        }
      ) {
        let stream = try await world.plexus(World.alice).invite(IdentityName(World.bob)).openStream()
        for await _ in closed {}
        var count = 0
        for try await bytes in stream { count += bytes.readableBytes }
        #expect(count == 300_000)
        await #expect { try await stream.write("too late") } throws: { ($0 as? PlexusError)?.code == .streamBroken }
        await stream.close()
      }
    }
  }

  /// It says something short and closes at once: both may be there, and the stream over, before anybody reads.
  @Test func whatAPeerSaidThatClosedAtOnceIsReadThoughTheStreamIsOver() async throws {
    try await World.run { world in
      try await world.whileBobAccepts(
        world.plexus(World.bob),
        perform: { passage in
          let stream = try await passage.openStream()
          try await stream.channel.eventLoop.submit {
            // One datagram for both.
            let cork = Cork()
            try stream.channel.pipeline.syncOperations.addHandler(cork, position: .first)
            try stream.channel.syncOptions?.setOption(.autoRead, value: true)
            stream.channel.writeAndFlush(ByteBuffer(string: "short"), promise: nil)
            stream.channel.close(promise: nil)
            cork.pull()
          }.get()
          await stream.close()
        }
      ) {
        let stream = try await world.plexus(World.alice).invite(IdentityName(World.bob)).openStream()
        try await stream.channel.closeFuture.get()
        #expect(try await stream.read() == ByteBuffer(string: "short"))
        #expect(try await stream.read() == nil)
        await stream.close()
      }
    }
  }

  /// The peer does not read, so that its goodbye never comes: that is no news for a side that closes the stream itself.
  @Test func aReadThatWaitsWhileItsOwnSideClosesIsToldTheEnd() async throws {
    try await World.run { world in
      let (closed, feed) = AsyncStream.makeStream(of: Void.self)
      try await world.whileBobAccepts(
        world.plexus(World.bob),
        perform: { passage in
          let stream = try await passage.openStream()
          for await _ in closed {}
          await stream.close()
        }
      ) {
        let stream = try await world.plexus(World.alice).invite(IdentityName(World.bob)).openStream()
        try await stream.write("what nobody reads")
        let reading = Task { try await stream.read() }
        await stream.close()
        feed.finish()
        #expect(try await reading.value == nil)
      }
    }
  }

  /// A peer that gives up and invites again has us do the last only.
  @Test func aStreamIsCarriedOnOnceAtATime() async throws {
    try await World.run { world in
      try await world.whileBobAccepts(world.plexus(World.bob), perform: Self.echo) {
        let stream = try await world.plexus(World.alice).invite(IdentityName(World.bob)).openStream()
        let counts = Counts()
        await withTaskGroup(of: Void.self) { group in
          for _ in 1...20 {
            group.addTask {
              await stream.path.mend {
                counts.state.withLock { counts in
                  counts.running += 1
                  counts.most = max(counts.most, counts.running)
                }
                // Only the last is left to end by itself.
                let hasEnded = (try? await Task.sleep(for: .seconds(1))) != nil
                counts.state.withLock { counts in
                  counts.running -= 1
                  if hasEnded { counts.ended += 1 }
                }
              }
            }
          }
        }
        #expect(counts.state.withLock { $0.most == 1 && $0.ended == 1 })
        await stream.close()
      }
    }
  }

  /// Whoever was started again knows nothing of the stream: a passage is made, and is none that continues it.
  @Test func aPeerThatWasStartedAgainDoesNotContinue() async throws {
    try await World.run { world in
      let alice = try world.plexus(World.alice)
      let stream = try await withThrowingTaskGroup(of: Void.self) { group in
        let bob = try world.plexus(World.bob)
        group.addTask { try await bob.accept(from: .any, perform: Self.echo) }
        defer { group.cancelAll() }
        return try await alice.invite(IdentityName(World.bob)).openStream()
      }
      try await world.whileBobAccepts(world.plexus(World.bob)) {
        let passage = try await alice.passage(to: IdentityName(World.bob), continuing: stream.path)
        #expect(passage.continues == nil)
        await passage.close()
      }
      await stream.close()
    }
  }

  @Test func passagesComeAsASequence() async throws {
    try await World.run { world in
      let bob = try world.plexus(World.bob)
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          for try await passage in bob.accept() {
            try await Self.echo(passage)
            break
          }
        }
        group.addTask {
          let stream = try await world.plexus(World.alice).invite(IdentityName(World.bob)).openStream()
          try await stream.write("one")
          #expect(try await stream.read() == ByteBuffer(string: "one"))
          await stream.close()
        }
        try await group.waitForAll()
      }
    }
  }

  @Test func whereEncryptionIsRequiredAPeerWithoutItIsRefusedByEitherSide() async throws {
    try await World.run { world in
      let (strict, loose) = (
        try world.plexus(World.alice) { $0.security = .required },
        try world.plexus(World.bob) { $0.purpose = .datagrams }
      )
      try await world.whileBobAccepts(loose) {
        await #expect { _ = try await strict.invite(IdentityName(World.bob)) } throws: {
          ($0 as? PlexusError)?.code == .notSecure
        }
      }
      let log = LogRecorder()
      let strictBob = try world.plexus(World.bob, log: log) { $0.security = .required }
      let looseAlice = try world.plexus(World.alice) {
        $0.purpose = .datagrams
        $0.responseTimeout = .seconds(5)
      }
      try await world.whileBobAccepts(strictBob) {
        await #expect(throws: PlexusError.self) { _ = try await looseAlice.invite(IdentityName(World.bob)) }
        try await log.wait(for: "cannot encrypt the stream")
      }
    }
  }

  @Sendable private static func echo(_ passage: Passage) async throws {
    let stream = try await passage.openStream()
    for try await bytes in stream { try await stream.write(bytes) }
    await stream.close()
  }
}

/// Holds back what is written, so that it leaves together.
private final class Cork: ChannelOutboundHandler {
  typealias OutboundIn = ByteBuffer
  private var context: ChannelHandlerContext?
  private var isIn = true

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }
  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }
  func flush(context: ChannelHandlerContext) { if !isIn { context.flush() } }

  func pull() {
    isIn = false
    context?.flush()
  }
}

/// How many did something at a time.
private final class Counts: Sendable {
  let state = Mutex((running: 0, most: 0, ended: 0))
}
