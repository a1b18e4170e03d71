import Identity
import PlexusTesting
import Rendezvous
import Testing

@testable import RendezvousDHT

/// What strangers and liars put under our key.
@Suite("Values that are not for us", .timeLimit(.minutes(2)))
struct DHTHostileValuesTests {
  @Test("A value of nobody whom we accept is dropped with one line, and the next invite is served")
  func foreignOwner() async throws {
    let (ann, bob, eve) = try (Cast.ann.get(), Cast.bob.get(), Cast.eve.get())
    try await dropped("signed by nobody whom we accept", by: ann, knowing: [bob]) { id in
      try Sealer(privateKeyPEM: eve.privateKeyPEM).seal(reference().line, to: ann.identity, id: id)
    }
  }

  @Test("A value that is encrypted to somebody else is dropped with one line")
  func notForUs() async throws {
    let (ann, bob, eve) = try (Cast.ann.get(), Cast.bob.get(), Cast.eve.get())
    try await dropped("cannot be opened", by: ann, knowing: [bob]) { id in
      try Sealer(privateKeyPEM: bob.privateKeyPEM).seal(reference().line, to: eve.identity, id: id)
    }
  }

  @Test("A value without signature is dropped with one line")
  func unsigned() async throws {
    let (ann, bob) = try (Cast.ann.get(), Cast.bob.get())
    try await dropped("not signed", by: ann, knowing: [bob]) { id in try SealedValue(raw: [1, 2, 3], id: id) }
  }

  @Test(
    "A value that is no message is dropped with one line",
    arguments: ["", "hello", "PLEXUS 3.0 0.0.0.0 0 0", "PLEXUS 9 x"])
  func malformed(_ line: String) async throws {
    let (ann, bob) = try (Cast.ann.get(), Cast.bob.get())
    try await dropped("dropped a value", by: ann, knowing: [bob]) { id in
      try Sealer(privateKeyPEM: bob.privateKeyPEM).seal(line, to: ann.identity, id: id)
    }
  }

  @Test("Signed garbage is dropped with one line")
  func garbage() async throws {
    let (ann, bob) = try (Cast.ann.get(), Cast.bob.get())
    try await dropped("cannot be opened", by: ann, knowing: [bob]) { id in
      try SealedValue(raw: Array(repeating: 0xC1, count: 256), signedBy: bob, id: id)
    }
  }

  @Test("A huge value is dropped before any work, with one line")
  func huge() async throws {
    let (ann, bob) = try (Cast.ann.get(), Cast.bob.get())
    try await dropped("larger than any message", by: ann, knowing: [bob]) { id in
      try SealedValue(raw: Array(repeating: 7, count: 40_000), signedBy: bob, id: id)
    }
  }

  @Test("A value whose number is hours old is dropped with one line")
  func old() async throws {
    let (ann, bob) = try (Cast.ann.get(), Cast.bob.get())
    try await dropped("too far from the present", by: ann, knowing: [bob]) { id in
      try Sealer(privateKeyPEM: bob.privateKeyPEM).seal(reference().line, to: ann.identity, id: id - 7200)
    }
  }

  @Test("A flood from strangers and from a known peer does not keep out another peer")
  func flood() async throws {
    let (ann, bob, eve) = try (Cast.ann.get(), Cast.bob.get(), Cast.eve.get())
    try await TestNetwork.run { network in
      let stranger = try await network.node()
      defer { stranger.stop() }
      try await network.join(as: ann, knowing: [bob, eve]) { acceptor in
        let served = Task {
          try await acceptor.acceptFirst(from: IdentityPattern(bob.identity.name), with: .accept(reference()))
        }
        for number in 0..<200 as Range<UInt64> {
          let garbage = Array(repeating: UInt8(truncatingIfNeeded: number), count: 256)
          stranger.put(
            try SealedValue(raw: garbage, signedBy: number.isMultiple(of: 2) ? eve : nil, id: network.now + number),
            at: key(to: ann, "invite"))
        }
        try await network.join(as: bob, knowing: [ann]) { inviter in
          _ = try await inviter.rendezvous.invite(
            ann.identity, application: app, reference: reference(), timeout: .seconds(60))
        }
        _ = try await served.value
      }
    }
  }

  @Test("An old invite put again under a new number is dropped, with and without a restart", arguments: [false, true])
  func replay(_ restarts: Bool) async throws {
    let (ann, bob) = try (Cast.ann.get(), Cast.bob.get())
    let folder = temporaryFolder()
    let log = LogRecorder()
    try await TestNetwork.run { network in
      let stranger = try await network.node()
      defer { stranger.stop() }
      let value = try Sealer(privateKeyPEM: bob.privateKeyPEM).seal(reference().line, to: ann.identity, id: network.now)
      let again = try Sealer(privateKeyPEM: bob.privateKeyPEM).reseal(value, id: network.now + 100, edition: 0)
      // A fresh encryption of the same line cannot be made by a stranger, but a puzzle must count once in any case.
      let memory = try ReplayMemory(folder: folder, own: ann.identity.certificateID)
      try await network.join(as: ann, knowing: [bob], memory: memory, log: log) { acceptor in
        var invitations = acceptor.rendezvous.invitations(application: app, from: .any).makeAsyncIterator()
        stranger.put(value, at: key(to: ann, "invite"))
        let first = try await invitations.next()
        #expect(first?.id == network.now)
        guard !restarts else { return }
        stranger.put(again, at: key(to: ann, "invite"))
        try await network.expectOnlyFresh(&invitations, to: ann, from: bob, by: stranger)
      }
      guard restarts else { return }
      let reread = try ReplayMemory(folder: folder, own: ann.identity.certificateID)
      try await network.join(as: ann, knowing: [bob], memory: reread, log: log) { acceptor in
        stranger.put(again, at: key(to: ann, "invite"))
        var invitations = acceptor.rendezvous.invitations(application: app, from: .any).makeAsyncIterator()
        try await log.wait(for: "its puzzle was seen before")
        try await network.expectOnlyFresh(&invitations, to: ann, from: bob, by: stranger)
      }
    }
  }

  enum WrongAnswer: CaseIterable {
    case ofAnotherPeer, replayed, declineOfAnotherInvite, garbage

    var reason: String {
      switch self {
      case .ofAnotherPeer: "not from the peer that we asked"
      case .replayed: "its puzzle was seen before"
      case .declineOfAnotherInvite: "it declines another invite"
      case .garbage: "cannot be opened"
      }
    }

    func value(to bob: OwnIdentity, from ann: OwnIdentity, or eve: OwnIdentity, id: UInt64) throws -> SealedValue {
      let (byAnn, byEve) = try (Sealer(privateKeyPEM: ann.privateKeyPEM), Sealer(privateKeyPEM: eve.privateKeyPEM))
      return switch self {
      case .ofAnotherPeer: try byEve.seal(reference().line, to: bob.identity, id: id)
      case .replayed: try byAnn.seal(reference(puzzle: 99).line, to: bob.identity, id: id)
      case .declineOfAnotherInvite:
        try byAnn.seal(DeclineNotice(reason: .busy, puzzle: 1).line, to: bob.identity, id: id)
      case .garbage: try SealedValue(raw: Array(repeating: 3, count: 256), signedBy: ann, id: id)
      }
    }
  }

  @Test(
    "A wrong answer is dropped with one line, and waiting goes on until the right one", arguments: WrongAnswer.allCases)
  func wrongAnswers(_ wrong: WrongAnswer) async throws {
    let (ann, bob, eve) = try (Cast.ann.get(), Cast.bob.get(), Cast.eve.get())
    let log = LogRecorder()
    let memory = ReplayMemory()
    #expect(try memory.insert(puzzle: 99, of: ann.identity.certificateID))
    try await TestNetwork.run { network in
      let stranger = try await network.node()
      defer { stranger.stop() }
      try await network.join(as: ann, knowing: [bob]) { acceptor in
        try await network.join(as: bob, knowing: [ann], memory: memory, log: log) { inviter in
          let answer = Task {
            try await inviter.rendezvous.invite(
              ann.identity, application: app, reference: reference(), timeout: .seconds(60))
          }
          var invitations = acceptor.rendezvous.invitations(application: app, from: .any).makeAsyncIterator()
          let invitation = try #require(try await invitations.next())
          // A number lies only once under a key: the wrong answer takes one of the two keys, the right one the other.
          stranger.put(
            try wrong.value(to: bob, from: ann, or: eve, id: invitation.id), at: key(to: bob, "decline"))
          try await log.wait(for: wrong.reason)
          let right = try reference()
          try await acceptor.rendezvous.answer(invitation, with: .accept(right))
          #expect(try await answer.value == .accept(right))
        }
      }
    }
  }

  /// Puts the value that `make` makes under the invite key of `own`, waits for the line, and then expects an honest invite to be served.
  private func dropped(
    _ reason: String, by own: OwnIdentity, knowing peer: [OwnIdentity],
    _ make: @Sendable (UInt64) throws -> SealedValue
  ) async throws {
    let log = LogRecorder()
    let bob = try #require(peer.first)
    try await TestNetwork.run { network in
      let stranger = try await network.node()
      defer { stranger.stop() }
      try await network.join(as: own, knowing: peer, log: log) { acceptor in
        var invitations = acceptor.rendezvous.invitations(application: app, from: .any).makeAsyncIterator()
        stranger.put(try make(network.now), at: key(to: own, "invite"))
        try await log.wait(for: reason)
        try await network.expectOnlyFresh(&invitations, to: own, from: bob, by: stranger)
        #expect(log.count(of: "dropped a value") == 1)
      }
    }
  }
}

extension TestNetwork {
  /// Puts an honest invite and expects it to be the next that arrives.
  fileprivate func expectOnlyFresh(
    _ invitations: inout AsyncThrowingStream<Invitation, any Error>.Iterator, to own: OwnIdentity,
    from peer: OwnIdentity,
    by node: DHTNode
  ) async throws {
    let fresh = try reference()
    node.put(
      try Sealer(privateKeyPEM: peer.privateKeyPEM).seal(fresh.line, to: own.identity, id: now + 300),
      at: key(to: own, "invite"))
    let next = try await invitations.next()
    #expect(next?.reference == fresh)
  }
}
