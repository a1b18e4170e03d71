import Identity
import PlexusTesting
import Rendezvous
import Testing

@testable import RendezvousDHT

@Suite("Companions over the DHT", .timeLimit(.minutes(2)))
struct DHTCompanionTests {
  private static let companion = MessageSubjects().companion(of: "invite")

  @Test("A supplement reaches the acceptor, and its own the inviter")
  func bothWays() async throws {
    let (ann, bob) = try (Cast.ann.get(), Cast.bob.get())
    try await TestNetwork.run { network in
      try await network.join(as: ann, knowing: [bob]) { acceptor in
        let answered = try reference().with(.text("from ann"))
        let served = Task { try await acceptor.acceptFirst(from: .any, with: .accept(answered)) }
        try await network.join(as: bob, knowing: [ann]) { inviter in
          let sent = try reference().with(.text(String(repeating: "b", count: Supplement.lengthAtMost)))
          let answer = try await inviter.rendezvous.invite(
            ann.identity, application: app, reference: sent, timeout: .seconds(30))
          #expect(answer == .accept(answered))
          #expect(try await served.value.reference == sent)
        }
      }
    }
  }

  @Test("An acceptor without supplement answers by line, as the reference does")
  func oldAcceptor() async throws {
    let (ann, bob) = try (Cast.ann.get(), Cast.bob.get())
    try await TestNetwork.run { network in
      try await network.join(as: ann, knowing: [bob]) { acceptor in
        let answered = try reference()
        let served = Task { try await acceptor.acceptFirst(from: .any, with: .accept(answered)) }
        try await network.join(as: bob, knowing: [ann]) { inviter in
          let answer = try await inviter.rendezvous.invite(
            ann.identity, application: app, reference: reference().with(.text("b")), timeout: .seconds(30))
          #expect(answer == .accept(answered))
          _ = try await served.value
        }
      }
    }
  }

  @Test("A marked line whose companion does not come is served alone, and answered by a marked line")
  func lost() async throws {
    let (ann, bob) = try (Cast.ann.get(), Cast.bob.get())
    try await TestNetwork.run { network in
      try await network.join(as: ann, knowing: [bob]) { acceptor in
        let answered = try reference().with(.text("a"))
        let served = Task { try await acceptor.acceptFirst(from: .any, with: .accept(answered)) }
        try await network.join(as: bob, knowing: [ann]) { inviter in
          let sent = try reference().with(.missing)
          let answer = try await inviter.rendezvous.invite(
            ann.identity, application: app, reference: sent, timeout: .seconds(30))
          #expect(answer == .accept(answered.with(.missing)))
          #expect(try await served.value.reference == sent)
        }
      }
    }
  }

  @Test("A companion that comes without its line is served")
  func lineLost() async throws {
    let (ann, bob) = try (Cast.ann.get(), Cast.bob.get())
    try await TestNetwork.run { network in
      let stranger = try await network.node()
      defer { stranger.stop() }
      try await network.join(as: ann, knowing: [bob]) { acceptor in
        var invitations = acceptor.rendezvous.invitations(application: app, from: .any).makeAsyncIterator()
        let sent = try reference().with(.text("b"))
        stranger.put(
          try network.companion(of: sent, from: bob, to: ann, id: network.now), at: key(to: ann, Self.companion))
        #expect(try await invitations.next()?.reference == sent)
      }
    }
  }

  @Test("A companion put again under another number is dropped, and the line it stood beside is served")
  func replayed() async throws {
    let (ann, bob) = try (Cast.ann.get(), Cast.bob.get())
    let log = LogRecorder()
    try await TestNetwork.run { network in
      let stranger = try await network.node()
      defer { stranger.stop() }
      try await network.join(as: ann, knowing: [bob], log: log) { acceptor in
        var invitations = acceptor.rendezvous.invitations(application: app, from: .any).makeAsyncIterator()
        let sealer = try Sealer(privateKeyPEM: bob.privateKeyPEM)
        let old = try network.companion(of: reference().with(.text("old")), from: bob, to: ann, id: network.now - 60)
        stranger.put(try sealer.reseal(old, id: network.now, edition: 0), at: key(to: ann, Self.companion))
        try await log.wait(for: "bound to another")
        let fresh = try reference().with(.missing)
        stranger.put(
          try sealer.seal(fresh.line, to: ann.identity, id: network.now), at: key(to: ann, "invite"))
        #expect(try await invitations.next()?.reference == fresh)
      }
    }
  }
}

extension TestNetwork {
  /// The companion of a reference, sealed as `sender` does.
  fileprivate func companion(
    of reference: Reference, from sender: OwnIdentity, to recipient: OwnIdentity, id: UInt64
  ) throws -> SealedValue {
    let message = CompanionMessage(
      .invite,
      binding: CompanionMessage.Binding(
        sender: sender.identity.certificateID, recipient: recipient.identity.certificateID, application: app, invite: id
      ), time: now, reference: reference)
    return try Sealer(privateKeyPEM: sender.privateKeyPEM).seal(
      try #require(message.text), to: recipient.identity, id: id)
  }
}
