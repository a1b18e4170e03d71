import DatagramSockets
import Datagrams
import Foundation
import Identity
import NIOCore
import PlexusTesting
import Synchronization
import Testing
import Tubus

@testable import Plexus
@testable import SecureStreams

/// A man in the middle of the UDP path between two peers. docs/threat-model.md says what he can do and what not.
@Suite(.timeLimit(.minutes(3))) struct AttackerTests {
  /// What Alice sends: nothing that random bytes hit by chance.
  private static let needle = Array("the needle that nobody else may read".utf8)
  private static let message = Array(repeating: needle, count: 4000).flatMap(\.self)

  @Test func whoeverRecordsReadsNothingEvenWithTheSecret() async throws {
    try await run { attacker, alice, bob, secret in
      async let arrived = Self.readAll(bob)
      try await alice.write(ByteBuffer(bytes: Self.message))
      await alice.close()
      #expect(try await arrived == Self.message)
      let mask = try #require(Obscuring(secret: secret.value))
      for datagram in attacker.seen {
        #expect(!datagram.contains(Self.needle))
        var bare = datagram
        bare.withUnsafeMutableBytes { bare in datagram.withUnsafeBytes { mask.unmask($0, into: bare) } }
        #expect(!bare.contains(Self.needle))
      }
      #expect(attacker.seen.count > Self.message.count / 1500)
    }
  }

  @Test func whatIsReplayedReorderedAndInjectedChangesNothing() async throws {
    let random = Mutex(TestSeeds.printed())
    try await run { attacker, alice, bob, _ in
      attacker.begin { datagram, memory in
        random.withLock { random in
          var sent = [datagram]
          if random.chance(0.2), let old = memory.seen.randomElement(using: &random) { sent.append(old) }
          if random.chance(0.1) { sent.append((0..<datagram.count).map { _ in .random(in: 0...255, using: &random) }) }
          if random.chance(0.2) {
            memory.held += sent
            return []
          }
          sent += memory.held
          memory.held = []
          return sent.shuffled(using: &random)
        }
      }
      async let arrived = Self.readAll(bob)
      try await alice.write(ByteBuffer(bytes: Self.message))
      await alice.close()
      #expect(try await arrived == Self.message)
    }
  }

  /// Every datagram of any length may be hit, headers and acknowledgements too.
  @Test func noModifiedByteIsEverDelivered() async throws {
    let random = Mutex(TestSeeds.printed())
    try await run { attacker, alice, bob, _ in
      attacker.begin { datagram, _ in
        random.withLock { random in
          guard random.chance(0.3), let place = datagram.indices.randomElement(using: &random) else {
            return [datagram]
          }
          var changed = datagram
          changed[place] ^= 1 << UInt8.random(in: 0...7, using: &random)
          return [changed]
        }
      }
      let sending = Task { try await alice.write(ByteBuffer(bytes: Self.message)) }
      let reading = Task {
        var arrived: [UInt8] = []
        do {
          while arrived.count < Self.message.count, let bytes = try await bob.read() {
            arrived += bytes.readableBytesView
          }
          return (arrived, nil as (any Error)?)
        } catch {
          return (arrived, error)
        }
      }
      // Who changes acknowledgements can have a stream stand still, too, as by letting nothing pass.
      let patience = Task {
        try await Task.sleep(for: .seconds(20))
        reading.cancel()
      }
      let (arrived, failure) = await reading.value
      patience.cancel()
      sending.cancel()
      // What is missing is told: the stream breaks, it does not end as if this were all.
      #expect(Self.message.starts(with: arrived) && arrived.count < Self.message.count)
      guard let error = failure as? PlexusError else {
        #expect(failure is CancellationError)
        for stream in [alice, bob] {
          stream.path.channel.triggerUserOutboundEvent(TubusAbort(isPeerGone: true), promise: nil)
        }
        return
      }
      #expect(error.code == .streamBroken, "\(error)")
      #expect(!error.description.contains("SSL") && !error.description.contains(".cc"), "\(error)")
    }
  }

  /// Whoever knows the secret can end the connection in Alice's name. Without the goodbye that TLS signs it is no end of the stream.
  @Test func aStreamThatIsCutOffDoesNotSeemToEnd() async throws {
    try await run { _, alice, bob, _ in
      try await alice.write("the first half")
      #expect(try await bob.read() == ByteBuffer(string: "the first half"))
      alice.path.channel.triggerUserOutboundEvent(TubusAbort(), promise: nil)
      await #expect { try await bob.read() } throws: {
        ($0 as? PlexusError)?.code == .streamBroken && "\($0)".contains("without a goodbye")
      }
    }
  }

  /// Nor does it to somebody who begins to read only then.
  @Test func aStreamThatWasCutOffBeforeItWasReadDoesNotSeemToHaveEnded() async throws {
    try await run { _, alice, bob, _ in
      alice.path.channel.triggerUserOutboundEvent(TubusAbort(), promise: nil)
      try await bob.channel.closeFuture.get()
      await #expect { try await bob.read() } throws: { ($0 as? PlexusError)?.code == .streamBroken }
    }
  }

  /// What had come by then waits behind the handshake: it is read first.
  @Test func whatCameBeforeAStreamWasCutOffIsReadBeforeThatIsTold() async throws {
    try await run { _, alice, bob, _ in
      try await alice.write("the first half")
      while try await Self.isNothingEarly(at: bob.channel) { try await Task.sleep(for: .milliseconds(5)) }
      alice.path.channel.triggerUserOutboundEvent(TubusAbort(), promise: nil)
      try await bob.channel.closeFuture.get()
      #expect(try await bob.read() == ByteBuffer(string: "the first half"))
      await #expect { try await bob.read() } throws: { ($0 as? PlexusError)?.code == .streamBroken }
    }
  }

  private static func isNothingEarly(at channel: any Channel) async throws -> Bool {
    try await channel.eventLoop.submit {
      try channel.pipeline.syncOperations.handler(type: SecureStreamGate.self).early.isEmpty
    }.get()
  }

  /// A path on which nothing passes, or a peer that does not read, holds a writer for as long as that lasts: so it can be called off.
  @Test func aWriteThatWaitsCanBeCancelled() async throws {
    try await run { attacker, alice, bob, _ in
      attacker.begin { _, _ in [] }
      let writing = Task { try await alice.write(ByteBuffer(repeating: 7, count: 100 << 20)) }
      while alice.channel.isWritable { try await Task.sleep(for: .milliseconds(10)) }
      writing.cancel()
      await #expect(throws: CancellationError.self) { try await writing.value }
      // Nothing of it is waited for any more.
      for stream in [alice, bob] {
        stream.path.channel.triggerUserOutboundEvent(TubusAbort(isPeerGone: true), promise: nil)
      }
    }
  }

  /// He knows even the passage's secret, takes both connections, and shows a certificate of his own.
  @Test func whoeverAnswersInThePeersPlaceIsRefusedByBoth() async throws {
    try await withTemporaryFolder { folder in
      let eve = try ApplicationRepository(path: folder)
        .create(IdentityName("eve@example.org/den"), options: NewIdentityOptions(bits: 2048))
      try await between { world, attacker, alice, bob in
        try await Self.whilePassing(attacker, alice, bob) { alices, bobs in
          let peers = try #require(attacker.peers)
          var configuration = TubusConfiguration()
          configuration.secret = bobs.description.secret.value
          let (toAlice, toBob) = (
            try await TubusEndpoint(adopting: attacker.inPlaceOfBob),
            try await TubusEndpoint(adopting: attacker.inPlaceOfAlice)
          )
          let fromAlice = try await toAlice.listen(configuration, for: peers.alice, initializer: Self.prepare)
          async let refusedByAlice = Self.refusal { try await alices.openStream() }
          async let refusedByBob = Self.refusal { try await bobs.openStream() }
          let fakeBob = try #require(await fromAlice.first { _ in true })
          let fakeAlice = try await toBob.connect(to: peers.bob, configuration, initializer: Self.prepare)
          let (aliceIdentity, bobIdentity) = (
            try world.identity(World.alice).identity, try world.identity(World.bob).identity
          )
          try? await PeerTLS(own: eve, peer: aliceIdentity, application: "test").secure(fakeBob, as: .server)
          try? await PeerTLS(own: eve, peer: bobIdentity, application: "test").secure(fakeAlice, as: .client)
          #expect(await refusedByAlice == .notAuthenticated)
          #expect(await refusedByBob == .notAuthenticated)
          await toAlice.close()
          await toBob.close()
        }
      }
    }
  }

  /// He sends handshake datagrams of his own, before and while the two shake hands, without the secret.
  @Test func spoofedHandshakesKeepNobodyApart() async throws {
    let random = Mutex(TestSeeds.printed())
    try await between { _, attacker, alice, bob in
      attacker.begin { datagram, memory in
        random.withLock { random in
          let forged = (0..<8).map { _ in (0..<8).map { _ in UInt8.random(in: 0...255, using: &random) } }
          return forged + memory.seen.suffix(3) + [datagram]
        }
      }
      try await Self.whilePassing(attacker, alice, bob) { alices, bobs in
        #expect(alices.description.secret == bobs.description.secret)
        await alices.socket.close()
        await bobs.socket.close()
      }
    }
  }

  /// Whoever closes has written already; a path that is dead in that moment must not cost the end of it.
  @Test func whatWasWrittenArrivesThoughThePathIsDeadWhileTheStreamIsClosed() async throws {
    try await run { attacker, alice, bob, _ in
      let isDead = Mutex(true)
      attacker.begin { datagram, _ in isDead.withLock { $0 } ? [] : [datagram] }
      async let received = Self.readAll(bob)
      try await alice.write(ByteBuffer(repeating: 7, count: 10_000))
      async let closed: Void = alice.close()
      // Longer than whoever has said everything waits for the other's goodbye.
      try await Task.sleep(for: .milliseconds(1500))
      isDead.withLock { $0 = false }
      #expect(try await received.count == 10_000)
      await closed
    }
  }

  // MARK: The scene

  /// Alice and Bob, both of whom an attacker's STUN server has told that they are where the attacker is.
  private func between(
    _ body: @Sendable @escaping (World, Attacker, _ alice: Plexus, _ bob: Plexus) async throws -> Void
  ) async throws {
    try await World.run { world in
      let attacker = try await Attacker()
      do {
        try await withLyingSTUNServer([attacker.inPlaceOfAlice.localEndpoint, attacker.inPlaceOfBob.localEndpoint]) {
          servers in
          let alice = try world.plexus(World.alice) {
            $0.stunServers = [servers[0]]
            // The only way is through the attacker.
            $0.ways = .publicEndpoint
          }
          let bob = try world.plexus(World.bob) {
            $0.stunServers = [servers[1]]
            // The only way is through the attacker.
            $0.ways = .publicEndpoint
          }
          try await body(world, attacker, alice, bob)
        }
      } catch {
        await attacker.close()
        throw error
      }
      await attacker.close()
    }
  }

  /// Runs `body` with both ends of a passage that leads through the attacker, who stops passing datagrams on when it is made.
  private static func whilePassing(
    _ attacker: Attacker, _ alice: Plexus, _ bob: Plexus,
    _ body: @Sendable @escaping (_ alice: Passage, _ bob: Passage) async throws -> Void
  ) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await attacker.run() }
      async let accepted = bob.accept().first { _ in true }
      let alices = try await alice.invite(IdentityName(World.bob))
      let bobs = try #require(try await accepted)
      group.cancelAll()
      while let result = await group.nextResult() { _ = result }
      try await body(alices, bobs)
    }
  }

  /// Runs `body` with both ends of a stream that passes through the attacker.
  private func run(
    _ body:
      @Sendable @escaping (Attacker, _ alice: PassageStream, _ bob: PassageStream, PassageSecret) async throws ->
      Void
  ) async throws {
    try await between { _, attacker, alice, bob in
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await attacker.run() }
        defer { group.cancelAll() }
        async let accepted = Self.firstStream(bob)
        let passage = try await alice.invite(IdentityName(World.bob))
        let (alices, bobs) = try await (passage.openStream(), accepted)
        #expect(alices.isEncrypted && bobs.isEncrypted)
        try await body(attacker, alices, bobs, passage.description.secret)
        async let closed: Void = bobs.close()
        await alices.close()
        await closed
      }
    }
  }

  private static func firstStream(_ plexus: Plexus) async throws -> PassageStream {
    try await #require(try await plexus.accept().first { _ in true }).openStream()
  }

  private static func readAll(_ stream: PassageStream) async throws -> [UInt8] {
    var all: [UInt8] = []
    for try await bytes in stream { all += bytes.readableBytesView }
    return all
  }

  private static func refusal(_ open: () async throws -> PassageStream) async -> PlexusError.Code? {
    do {
      await (try open()).close()
      return nil
    } catch {
      return (error as? PlexusError)?.code
    }
  }

  @Sendable private static func prepare(_ channel: any Channel) -> EventLoopFuture<any Channel> {
    channel.eventLoop.makeCompletedFuture {
      try channel.syncOptions?.setOption(.autoRead, value: false)
      return channel
    }
  }
}

extension Array where Element: Equatable {
  /// Whether `part` stands in it somewhere.
  fileprivate func contains(_ part: [Element]) -> Bool {
    guard let first = part.first, count >= part.count else { return false }
    return indices.dropLast(part.count - 1).contains {
      self[$0] == first && self[$0..<($0 + part.count)].elementsEqual(part)
    }
  }
}
