import Foundation
import Identity
import PlexusTesting
import Rendezvous
import Synchronization
import Testing

@testable import RendezvousEmail

/// The rendezvous over dovecot and postfix.
@Suite(
  .timeLimit(.minutes(3)),
  .enabled(if: MailServerSite.missingSentence == nil, "\(MailServerSite.missingSentence ?? "")"))
struct RealServerTests {
  @Test(arguments: [true, false])
  func twoPeersMeet(idle: Bool) async throws {
    try await MailServers.run(idle: idle) { servers in
      try await Peer.with(Cast.bob, servers.configuration("bob@example.org")) { bob in
        try await Peer.with(Cast.ann, servers.configuration("ann@example.org")) { ann in
          let (asked, answered) = (try Reference(port: 1000), try Reference(port: 2000))
          let start = ContinuousClock.now
          async let invitation = bob.nextInvitation(answering: .accept(answered))
          let answer = try await ann.rendezvous.invite(
            Cast.own(Cast.bob).identity, application: "app", reference: asked, timeout: .seconds(30))
          print("idle \(idle): met within \(start.duration(to: .now))")
          #expect(answer == .accept(answered))
          #expect(try await invitation.reference == asked)
          #expect(try await invitation.peer.name.description == Cast.ann)
        }
      }
      // What was used is gone.
      try await eventually { servers.site.mails(of: "ann@example.org").isEmpty }
      try await eventually { servers.site.mails(of: "bob@example.org").isEmpty }
    }
  }
}

/// Returns once `condition` holds; cancelled by the test's time limit.
func eventually(_ condition: () throws -> Bool) async throws {
  while try !condition() { try await Task.sleep(for: .milliseconds(10)) }
}

extension Reference {
  init(port: UInt16) throws {
    try self.init(endpoint: .init(address: .v4(0xC000_0201), port: port), puzzle: .random(in: .min ... .max))
  }
}

/// Someone who has joined.
struct Peer: Sendable {
  let rendezvous: EmailRendezvous
  let log: LogLines
  let events: EventList

  /// Calls `body` with `name` as a participant that knows `peers`.
  static func with<Value>(
    _ name: String, knowing peers: [String] = Cast.names, _ configuration: EmailConfiguration,
    memory: ReplayMemory = ReplayMemory(), joining: Bool = true, _ body: (Peer) async throws -> Value
  ) async throws -> Value {
    try await withTemporaryFolder { folder in
      let repository = try ApplicationRepository(path: Cast.repository(of: name, knowing: peers, in: folder))
      let (log, events) = (LogLines(), EventList())
      let rendezvous = try EmailRendezvous(
        own: repository.ownIdentity(IdentityName(name)), repository: repository, configuration: configuration,
        memory: memory, onEvent: { events.add($0) }, logger: log.logger)
      do {
        if joining { try await rendezvous.join(timeout: .seconds(30)) }
        let value = try await body(Peer(rendezvous: rendezvous, log: log, events: events))
        await rendezvous.leave()
        return value
      } catch {
        await rendezvous.leave()
        throw error
      }
    }
  }

  /// Waits for an invitation, and answers it.
  func nextInvitation(
    for application: String = "app", from pattern: IdentityPattern = .any, answering answer: Answer? = nil
  ) async throws -> Invitation {
    for try await invitation in rendezvous.invitations(application: application, from: pattern) {
      if let answer { try await rendezvous.answer(invitation, with: answer) }
      return invitation
    }
    throw CancellationError()
  }
}

/// What happened to the connections.
final class EventList: Sendable {
  private let events = Mutex<[EmailEvent]>([])

  func add(_ event: EmailEvent) { events.withLock { $0.append(event) } }

  var all: [EmailEvent] { events.withLock { $0 } }
}
