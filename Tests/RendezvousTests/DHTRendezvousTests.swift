import Identity
import PlexusTesting
import Rendezvous
import Testing

@testable import RendezvousDHT

@Suite("Meeting over the DHT", .timeLimit(.minutes(2)))
struct DHTRendezvousTests {
  @Test("An invite arrives with everything in it, and the answer comes back")
  func inviteAndAccept() async throws {
    let (ann, bob) = try (Cast.ann.get(), Cast.bob.get())
    try await TestNetwork.run { network in
      try await network.join(as: ann, knowing: [bob]) { acceptor in
        let served = Task { try await acceptor.acceptFirst(from: .any, with: .accept(reference(1111, puzzle: 7))) }
        try await network.join(as: bob, knowing: [ann]) { inviter in
          let sent = try reference(2222)
          let answer = try await inviter.rendezvous.invite(
            ann.identity, application: app, reference: sent, timeout: .seconds(30))
          #expect(try answer == .accept(reference(1111, puzzle: 7)))
          let invitation = try await served.value
          #expect(invitation.reference == sent)
          #expect(invitation.peer.name == bob.identity.name)
          #expect(invitation.application == app)
        }
      }
    }
  }

  @Test(
    "A pattern lets in the peer, the owner or everyone that it means",
    arguments: ["ann@example.org/lap", "ann@example.org", nil])
  func patterns(_ pattern: String?) async throws {
    let (ann, other, bob, eve) = try (Cast.ann.get(), Cast.annsOther.get(), Cast.bob.get(), Cast.eve.get())
    let pattern = try pattern.map { try IdentityPattern($0) } ?? .any
    try await TestNetwork.run { network in
      try await network.join(as: bob, knowing: [ann, other, eve]) { acceptor in
        let expected = Set([ann, other, eve].map(\.identity.name).filter(pattern.matches))
        let names = Task { try await acceptor.namesOfInviters(count: expected.count, from: pattern) }
        try await withThrowingTaskGroup { group in
          for one in [ann, other, eve] {
            group.addTask {
              try await network.join(as: one, knowing: [bob]) { inviter in
                let isMeant = pattern.matches(one.identity.name)
                let answer = try? await inviter.rendezvous.invite(
                  bob.identity, application: app, reference: reference(),
                  timeout: isMeant ? .seconds(30) : .milliseconds(500))
                #expect((answer != nil) == isMeant)
              }
            }
          }
          try await group.waitForAll()
        }
        #expect(try await names.value == expected)
      }
    }
  }

  @Test("A cancelled invitation is nothing but cancelled, whichever of its parts ends first")
  func cancelledInvitation() async throws {
    let (ann, bob) = try (Cast.ann.get(), Cast.bob.get())
    try await TestNetwork.run { network in
      try await network.join(as: bob, knowing: [ann]) { inviter in
        for times in 0..<20 {
          let inviting = Task {
            try await inviter.rendezvous.invite(
              ann.identity, application: app, reference: reference(), timeout: .seconds(60))
          }
          for _ in 0..<times { await Task.yield() }
          inviting.cancel()
          await #expect(throws: CancellationError.self) { try await inviting.value }
        }
      }
    }
  }

  @Test("Twenty peers at once are all served")
  func manyAtOnce() async throws {
    let (ann, bob, eve) = try (Cast.ann.get(), Cast.bob.get(), Cast.eve.get())
    try await TestNetwork.run { network in
      try await network.join(as: bob, knowing: [ann, eve]) { acceptor in
        // As the processes of one identity share a file.
        let numbers = [InviteNumbers(), InviteNumbers()]
        let accepting = Task { try await acceptor.acceptAll() }
        try await withThrowingTaskGroup { group in
          for number in 0..<20 {
            group.addTask {
              try await network.join(
                as: number.isMultiple(of: 2) ? ann : eve, knowing: [bob], numbers: numbers[number % 2]
              ) { inviter in
                _ = try await inviter.rendezvous.invite(
                  bob.identity, application: app, reference: reference(), timeout: .seconds(60))
              }
            }
          }
          try await group.waitForAll()
        }
        await acceptor.rendezvous.leave()
        try await accepting.value
      }
    }
  }

  @Test("A decline tells the inviter why")
  func decline() async throws {
    let (ann, bob) = try (Cast.ann.get(), Cast.bob.get())
    try await TestNetwork.run { network in
      try await network.join(as: ann, knowing: [bob]) { acceptor in
        let served = Task { try await acceptor.acceptFirst(from: .any, with: .decline(.symmetricNAT)) }
        try await network.join(as: bob, knowing: [ann]) { inviter in
          let answer = try await inviter.rendezvous.invite(
            ann.identity, application: app, reference: reference(), timeout: .seconds(30))
          #expect(answer == .decline(.symmetricNAT))
          _ = try await served.value
        }
      }
    }
  }

  @Test("Clocks may differ by ten minutes", arguments: [-600, 600] as [Int64])
  func clocks(_ ahead: Int64) async throws {
    let (ann, bob) = try (Cast.ann.get(), Cast.bob.get())
    try await TestNetwork.run { network in
      try await network.join(as: ann, knowing: [bob], clockAheadBy: ahead) { acceptor in
        let served = Task { try await acceptor.acceptFirst(from: .any, with: .accept(reference())) }
        try await network.join(as: bob, knowing: [ann]) { inviter in
          _ = try await inviter.rendezvous.invite(
            ann.identity, application: app, reference: reference(), timeout: .seconds(30))
          _ = try await served.value
        }
      }
    }
  }

  @Test("An invite put before the acceptor came is found")
  func early() async throws {
    let (ann, bob) = try (Cast.ann.get(), Cast.bob.get())
    try await TestNetwork.run { network in
      try await network.join(as: bob, knowing: [ann]) { inviter in
        let answer = Task {
          try await inviter.rendezvous.invite(
            ann.identity, application: app, reference: reference(), timeout: .seconds(60))
        }
        // The value lies at the bootstrap node before anybody listens.
        try await network.waitForValue(at: key(to: ann, "invite"))
        try await network.join(as: ann, knowing: [bob]) { acceptor in
          _ = try await acceptor.acceptFirst(from: .any, with: .accept(reference()))
          _ = try await answer.value
        }
      }
    }
  }

  @Test("A certificate that comes into the repository later counts from then on")
  func certificateAddedLater() async throws {
    let (ann, bob) = try (Cast.ann.get(), Cast.bob.get())
    let log = LogRecorder()
    try await TestNetwork.run { network in
      try await network.join(as: ann, knowing: [], log: log) { acceptor in
        let served = Task { try await acceptor.acceptFirst(from: .any, with: .accept(reference())) }
        try await network.join(as: bob, knowing: [ann]) { inviter in
          let answer = Task {
            try await inviter.rendezvous.invite(
              ann.identity, application: app, reference: reference(), timeout: .seconds(60))
          }
          try await log.wait(for: "signed by nobody whom we accept")
          try know(bob, in: acceptor.folder)
          _ = try await answer.value
          _ = try await served.value
        }
      }
    }
  }

  @Test("An invite that nobody answers ends with a sentence that says what to check")
  func unanswered() async throws {
    let (ann, bob) = try (Cast.ann.get(), Cast.bob.get())
    try await TestNetwork.run { network in
      try await network.join(as: bob, knowing: [ann]) { inviter in
        let error = await #expect(throws: RendezvousError.self) {
          try await inviter.rendezvous.invite(
            ann.identity, application: app, reference: reference(), timeout: .milliseconds(300))
        }
        #expect(error?.code == .unanswered)
        #expect(error?.description.contains("ann@example.org/desk did not answer within") == true)
      }
    }
  }

  @Test("Leaving ends the streams and the waiting invites")
  func leaving() async throws {
    let (ann, bob) = try (Cast.ann.get(), Cast.bob.get())
    try await TestNetwork.run { network in
      try await network.join(as: bob, knowing: [ann]) { participant in
        let rendezvous = participant.rendezvous
        let end = Task { for try await _ in rendezvous.invitations(application: app, from: .any) {} }
        let answer = Task {
          try await rendezvous.invite(
            ann.identity, application: app, reference: reference(), timeout: .seconds(60))
        }
        try await network.waitForValue(at: key(to: ann, "invite"))
        await rendezvous.leave()
        try await end.value
        await #expect(throws: RendezvousError.self) { _ = try await answer.value }
      }
    }
  }
}

extension Participant {
  /// Answers the first invite that comes.
  func acceptFirst(from pattern: IdentityPattern, with answer: Answer) async throws -> Invitation {
    for try await invitation in rendezvous.invitations(application: app, from: pattern) {
      try await rendezvous.answer(invitation, with: answer)
      return invitation
    }
    throw RendezvousError(.notRunning, "the stream ended")
  }

  /// Answers every invite.
  func acceptAll() async throws {
    for try await invitation in rendezvous.invitations(application: app, from: .any) {
      try await rendezvous.answer(invitation, with: .accept(reference()))
    }
  }

  /// Answers `count` invites and tells from whom they were.
  func namesOfInviters(count: Int, from pattern: IdentityPattern) async throws -> Set<IdentityName> {
    var names: Set<IdentityName> = []
    for try await invitation in rendezvous.invitations(application: app, from: pattern) {
      names.insert(invitation.peer.name)
      try await rendezvous.answer(invitation, with: .accept(reference()))
      if names.count == count { break }
    }
    return names
  }
}

extension TestNetwork {
  /// Returns once some value lies under `key`.
  func waitForValue(at key: DHTKey) async throws {
    let (values, feed) = AsyncStream.makeStream(of: Void.self)
    let listener = bootstrap.listen(key) { _ in feed.yield() }
    for await _ in values { break }
    listener?.cancel()
  }
}
