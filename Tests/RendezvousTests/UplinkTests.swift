import DatagramSockets
import Datagrams
import Identity
import Logging
import PlexusTesting
import Rendezvous
import Synchronization
import Testing

@testable import RendezvousDHT

@Suite("When the local address of a DHT node changes", .timeLimit(.minutes(2)))
struct UplinkTests {
  @Test("A node that moves to another address keeps its listens: invitations and answers come on")
  func move() async throws {
    let (ann, bob) = try (Cast.ann.get(), Cast.bob.get())
    try await TestNetwork.run { network in
      try await network.join(as: ann, knowing: [bob]) { acceptor in
        let served = Task { try await acceptor.acceptAll() }
        try await network.join(as: bob, knowing: [ann]) { inviter in
          try await invite(ann, as: inviter)
          // The desk's, under three keys.
          let node = try await inviter.rendezvous.runningNode()
          #expect(node.listenCount == 3)
          for one in [acceptor, inviter] {
            let node = try await one.rendezvous.runningNode()
            try node.move(to: network.configuration.clientParameters(address4: .v4(0x7F00_0003)).0)
            node.ping(address: "127.0.0.1", port: network.bootstrap.port)
          }
          try await invite(ann, as: inviter)
          try await invite(ann, as: inviter)
          #expect(node.listenCount == 3)
        }
        await acceptor.rendezvous.leave()
        try await served.value
      }
    }
  }

  @Test("A node that cannot be started at an address is started at another later, and listens then")
  func moveInVain() async throws {
    let bob = try Cast.bob.get()
    try await TestNetwork.run { network in
      let (own, peer) = try await (network.node(), network.node())
      defer {
        own.stop()
        peer.stop()
      }
      // TEST-NET-1 is nobody's.
      #expect(throws: DHTNode.StartFailure.self) {
        try own.move(to: network.configuration.clientParameters(address4: .v4(0xC000_0201)).0)
      }
      let (values, feed) = AsyncStream.makeStream(of: UInt64.self)
      let listener = own.listen(key(to: bob, "invite")) { feed.yield($0.id) }
      try own.move(to: network.configuration.clientParameters(address4: .v4(0x7F00_0001)).0)
      own.ping(address: "127.0.0.1", port: network.bootstrap.port)
      peer.put(try SealedValue(raw: [1], signedBy: bob, id: 7), at: key(to: bob, "invite"))
      #expect(await values.first { _ in true } == 7)
      listener?.cancel()
      #expect(own.listenCount == 0)
    }
  }

  @Test(
    "A node that is bound to an address that is gone, or that nobody answers at, goes through the others",
    arguments: [true, false])
  func keeper(isGone: Bool) async throws {
    let spy = try await UDPSocket.bind(to: Endpoint(address: .v4(0x7F00_0001), port: 0))
    try await TestNetwork.run { network in
      let (preferred, further) = (IPAddress.v4(0x7F00_0004), IPAddress.v4(0x7F00_0005))
      var configuration = network.configuration
      (configuration.address4, configuration.alternatives4) = (preferred, [further])
      let board = StatusBoard()
      let node = try DHTNode(configuration.clientParameters(address4: further).0, onStatus: board.post)
      defer { node.stop() }
      let gone = Mutex(false)
      let greet = { @Sendable in
        for port in [network.bootstrap.port, spy.localEndpoint.port] { node.ping(address: "127.0.0.1", port: port) }
      }
      let keeper = UplinkKeeper(
        node: node, board: board, configuration: configuration, greet: greet,
        logger: Logger(label: "test") { _ in LogRecorder() },
        times: .init(lookEvery: .milliseconds(20), silence: .milliseconds(50)),
        isOwn: { $0 != further || gone.withLock { !$0 } })
      greet()
      await board.wait { $0 == .connected }
      #expect(try await spy.source() == further)
      let running = Task { await keeper.run(from: further) }
      // Silence is the network's business: here the board is told.
      if isGone {
        gone.withLock { $0 = true }
      } else {
        try await Task.sleep(for: .milliseconds(100))
        board.post(.disconnected)
      }
      while try await spy.source() != preferred {}
      await board.wait { $0 == .connected }
      running.cancel()
      await running.value
    }
    await spy.close()
  }

  @Test("Whether this host has an address is told by binding it")
  func isOfThisHost() {
    #expect(IPAddress.v4(0x7F00_0001).isOfThisHost && IPAddress.unspecified(.v4).isOfThisHost)
    #expect(!IPAddress.v4(0xC000_0201).isOfThisHost)
  }

  private func invite(_ peer: OwnIdentity, as inviter: Participant) async throws {
    _ = try await inviter.rendezvous.invite(
      peer.identity, application: app, reference: reference(), timeout: .seconds(30))
  }
}

extension UDPSocket {
  /// Whence the next datagram comes.
  fileprivate func source() async throws -> IPAddress {
    try #require(await receive(until: MonotonicClock.now.advanced(by: .seconds(60)))).source.address
  }
}
