import DatagramSockets
import Datagrams
import Identity
import Logging
import PlexusTesting
import STUN
import Synchronization
import Testing

@testable import Plexus

@Suite(.timeLimit(.minutes(2))) struct PassageTests {
  @Test func twoPeersMeetAndTalkOverTheSocketsThatWerePunched() async throws {
    try await World.run { world in
      let (bobs, bobsPassage) = AsyncStream.makeStream(of: Passage.self)
      try await world.whileBobAccepts(world.plexus(World.bob), perform: { bobsPassage.yield($0) }) {
        let alice = try await world.plexus(World.alice).invite(IdentityName(World.bob))
        var passages = bobs.makeAsyncIterator()
        let bob = try #require(await passages.next())
        #expect(alice.description.secret == bob.description.secret)
        #expect(alice.description.outer == bob.description.alien && alice.description.alien == bob.description.outer)
        #expect(alice.description.peer == bob.description.host && alice.description.host == bob.description.peer)
        try await alice.socket.send(Transmit(to: alice.description.alien, payload: Array("hello".utf8)))
        // The last words of the search for the path may still be on their way.
        var heard: Datagram?
        repeat {
          heard = try await bob.socket.receive(until: .distantFuture)
        } while (heard.flatMap { try? STUNMessage(decoding: $0.payload) }) != nil
        #expect(heard == Datagram(from: bob.description.alien, payload: Array("hello".utf8)))
        await alice.socket.close()
        await bob.socket.close()
      }
    }
  }

  @Test func payloadsGetThePortAtOnce() async throws {
    try await World.run { world in
      let (ended, statuses) = AsyncStream.makeStream(of: Int32.self)
      // bash can connect a UDP socket, not bind one; that the port is free is what counts.
      let payload = try Payload(
        command: "sh", arguments: #"-c 'ss -Huln "sport = :$1" | grep -q . && exit 1; exit 0' x %innerport%"#)
      let bob = try world.plexus(World.bob)
      try await world.whileBobAccepts(
        bob, perform: { statuses.yield(try await $0.start(payload).exitStatus()) }
      ) {
        let passage = try await world.plexus(World.alice).invite(IdentityName(World.bob))
        #expect(try await passage.start(payload).exitStatus() == 0)
        var iterator = ended.makeAsyncIterator()
        #expect(await iterator.next() == 0)
      }
    }
  }

  @Test func theOnlyOwnIdentityNeedsNoName() async throws {
    try await World.run { world in
      let plexus = try Plexus(
        repository: ApplicationRepository(path: world.repository(of: World.alice)), host: nil,
        configuration: world.plexus(World.alice).configuration, logger: Logger(label: "test"))
      #expect(plexus.host.description == World.alice)
    }
  }

  @Test func aCancelledInvitationEndsAtOnceAndClosesItsSocket() async throws {
    try await World.run { world in
      let log = LogRecorder()
      let alice = try world.plexus(World.alice, log: log)
      let invitation = Task { try await alice.invite(IdentityName(World.bob)) }
      try await log.wait(for: "Public address")
      invitation.cancel()
      await #expect(throws: CancellationError.self) { try await invitation.value }
    }
  }

  @Test func invitationsGoOverTheRendezvousThatIsJoined() async throws {
    try await World.run { world in
      let log = LogRecorder()
      try await world.whileBobAccepts(world.plexus(World.bob)) {
        let kept = try await world.plexus(World.alice, log: log).whileJoined { alice in
          let passages = try await withThrowingTaskGroup(of: Passage.self) { group in
            for _ in 1...2 { group.addTask { try await alice.invite(IdentityName(World.bob)) } }
            return try await group.reduce(into: []) { $0.append($1) }
          }
          #expect(Set(passages.map(\.description.secret)).count == 2)
          await passages[0].close()
          return passages[1]
        }
        #expect(log.count(of: "Joined the DHT") == 1)
        // It outlives the scope.
        #expect(kept.plexus.joined == nil)
        try await kept.socket.send(Transmit(to: kept.description.alien, payload: [1]))
        await kept.close()
      }
    }
  }

  @Test func aFixedPortServesOneInvitationAfterAnother() async throws {
    try await World.run { world in
      let free = try await UDPSocket.bind(to: Endpoint(address: .v4(0x7F00_0001), port: 0))
      await free.close()
      let bob = try world.plexus(World.bob) { $0.localEndpoint = free.localEndpoint }
      try await world.whileBobAccepts(bob) {
        for _ in 1...2 {
          let passage = try await world.plexus(World.alice).invite(IdentityName(World.bob))
          #expect(passage.description.alien == free.localEndpoint)
          await passage.close()
        }
      }
    }
  }
}
