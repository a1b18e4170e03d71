import COpenDHT
import Identity
import Rendezvous
import Testing

@testable import RendezvousDHT

/// Peers that put and listen as the reference does.
@Suite("Together with the reference", .timeLimit(.minutes(2)))
struct ReferencePeerTests {
  @Test("A reference inviter is served")
  func referenceInvites() async throws {
    let (ann, bob) = try (Cast.ann.get(), Cast.bob.get())
    try await TestNetwork.run { network in
      let node = try await network.node()
      defer { node.stop() }
      try await network.join(as: ann, knowing: [bob]) { acceptor in
        let accepted = try reference()
        let served = Task { try await acceptor.acceptFirst(from: .any, with: .accept(accepted)) }
        let sealer = try Sealer(privateKeyPEM: bob.privateKeyPEM)
        // Newer releases of the reference may put white space around the line.
        let invite = try sealer.seal("PLEXUS 3.0 198.51.100.9 4000 17\n", to: ann.identity, id: network.now)
        let (values, feed) = AsyncStream.makeStream(of: SealedValue.self)
        node.put(invite, at: key(to: ann, "invite"))
        let listener = node.listen(key(to: bob, "accept")) { feed.yield($0) }
        let answer = await values.first { $0.id == invite.id }
        listener?.cancel()
        #expect(answer?.owner == ann.identity.certificateID)
        #expect(try answer.map { try sealer.open($0) } == accepted.line)
        #expect(try await served.value.reference.puzzle == 17)
      }
    }
  }

  @Test("A reference acceptor understands our invite, and we its answer", arguments: [0, 660] as [UInt64])
  func referenceAccepts(_ clockAhead: UInt64) async throws {
    let (ann, bob) = try (Cast.ann.get(), Cast.bob.get())
    try await TestNetwork.run { network in
      let node = try await network.node()
      defer { node.stop() }
      // Ids below its start are ignored: one whose clock is eleven minutes ahead sees only the later number of an invite.
      let started = network.now + clockAhead
      let sealer = try Sealer(privateKeyPEM: ann.privateKeyPEM)
      let (values, feed) = AsyncStream.makeStream(of: SealedValue.self)
      let listener = node.listen(key(to: ann, "invite")) { if $0.id >= started { feed.yield($0) } }
      try await network.join(as: bob, knowing: [ann]) { inviter in
        let (sent, accepted) = try (reference(), reference())
        let answer = Task {
          try await inviter.rendezvous.invite(ann.identity, application: app, reference: sent, timeout: .seconds(60))
        }
        let invite = try #require(await values.first { _ in true })
        #expect(invite.owner == bob.identity.certificateID)
        #expect(try sealer.open(invite) == sent.line)
        node.put(try sealer.seal(accepted.line, to: bob.identity, id: invite.id), at: key(to: bob, "accept"))
        #expect(try await answer.value == .accept(accepted))
      }
      listener?.cancel()
    }
  }

  @Test(
    "An invite whose number is taken by somebody else's value goes under another",
    arguments: [.unsupported, Supplement.text("x")])
  func takenNumber(_ supplement: Supplement) async throws {
    let (ann, bob, eve) = try (Cast.ann.get(), Cast.bob.get(), Cast.eve.get())
    try await TestNetwork.run { network in
      let node = try await network.node()
      defer { node.stop() }
      try await network.join(as: ann, knowing: [bob]) { acceptor in
        let served = Task { try await acceptor.acceptFirst(from: .any, with: .accept(reference().with(supplement))) }
        let squatter = try Sealer(privateKeyPEM: eve.privateKeyPEM)
        let wanted = network.now + 30
        node.put(try squatter.seal("mine", to: ann.identity, id: wanted), at: key(to: ann, "invite"))
        try await network.waitForValue(at: key(to: ann, "invite"))
        let numbers = InviteNumbers()
        _ = try numbers.take(atLeast: wanted - 1, now: network.now)
        try await network.join(as: bob, knowing: [ann], numbers: numbers) { inviter in
          // The next number of this identity is the one that is taken, unless its minute gives a later one.
          _ = try await inviter.rendezvous.invite(
            ann.identity, application: app, reference: reference().with(supplement), timeout: .seconds(60))
        }
        _ = try await served.value
      }
    }
  }

  @Test("The key is SHA-1 of recipient, application and subject")
  func keys() throws {
    let recipient = try #require(CertificateID("0123456789abcdef0123456789abcdef01234567"))
    let key = DHTKey(recipient: recipient, application: "app", subject: "invite")
    // printf 0123456789abcdef0123456789abcdef01234567appinvite | sha1sum
    #expect(key.bytes == [UInt8](hex: "dedcb6c712c96fa7ac48155ce55de124a1afc229"))
  }

  @Test("The id of a certificate is OpenDHT's")
  func certificateID() throws {
    let ann = try Cast.ann.get().identity
    let key = codht_certificate_read(ann.certificateDER, ann.certificateDER.count, nil)
    defer { codht_public_key_free(key) }
    var id = [UInt8](repeating: 0, count: 20)
    codht_public_key_id(key, &id)
    #expect(id == ann.certificateID.bytes)
  }
}

extension [UInt8] {
  /// Reads pairs of hexadecimal digits.
  fileprivate init(hex: String) {
    let digits = hex.compactMap(\.hexDigitValue)
    self = stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
  }
}
