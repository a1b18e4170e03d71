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
          async let invitation = bob.nextInvitation(answering: .accept(answered))
          let answer = try await ann.invite(Cast.bob, asked)
          #expect(answer == .accept(answered))
          #expect(try await invitation.reference == asked)
          #expect(try await invitation.peer.name.description == Cast.ann)
        }
        // What was used is gone, on both sides.
        try await eventually { servers.site.mails(of: "ann@example.org").isEmpty }
        try await eventually { servers.site.mails(of: "bob@example.org").isEmpty }
      }
    }
  }

  @Test func supplementsTravelBesideTheLines() async throws {
    try await MailServers.run { servers in
      try await Peer.with(Cast.bob, servers.configuration("bob@example.org")) { bob in
        try await Peer.with(Cast.ann, servers.configuration("ann@example.org")) { ann in
          let asked = try Reference(port: 1000).with(.text(String(repeating: "a", count: Supplement.lengthAtMost)))
          let answered = try Reference(port: 2000).with(.text("b"))
          async let invitation = bob.nextInvitation(answering: .accept(answered))
          #expect(try await ann.invite(Cast.bob, asked) == .accept(answered))
          #expect(try await invitation.reference == asked)
        }
      }
    }
  }

  @Test func twoPeersMayShareAnAccountAndItsOtherMailIsLeftAlone() async throws {
    try await MailServers.run { servers in
      // Both owners' mail goes to one inbox: the addresses differ by their names only.
      let names = ["shared@example.org/one", "shared@example.org/two"]
      try await withTemporaryFolder { folder in
        let repository = try ApplicationRepository(path: folder)
        for name in names { _ = try repository.create(IdentityName(name), options: NewIdentityOptions(bits: 2048)) }
        try await servers.deliver(
          "From: x <x@example.org>\r\nSubject: private\r\n\r\nhello\r\n", to: "shared@example.org")
        try await eventually { servers.site.mails(of: "shared@example.org").count == 1 }
        let peers = try names.map { name in
          try EmailRendezvous(
            own: repository.ownIdentity(IdentityName(name)), repository: repository,
            configuration: servers.configuration("shared@example.org"), memory: ReplayMemory(),
            logger: LogLines().logger)
        }
        for peer in peers { try await peer.join(timeout: .seconds(30)) }
        let (one, two) = (peers[0], peers[1])
        for _ in 1...3 {
          let (asked, answered) = (try Reference(port: 1000), try Reference(port: 2000))
          async let served: Void = {
            for try await invitation in two.invitations(application: "app", from: .any) {
              return try await two.answer(invitation, with: .accept(answered))
            }
          }()
          let answer = try await one.invite(
            repository.peer(IdentityName(names[1])), application: "app", reference: asked, timeout: .seconds(30))
          #expect(answer == .accept(answered))
          try await served
        }
        for peer in peers { await peer.leave() }
        #expect(servers.site.mails(of: "shared@example.org").count == 1)
      }
    }
  }

  @Test func oneAcceptorServesManyPeersAndDeclinesOthers() async throws {
    try await MailServers.run { servers in
      try await Peer.with(Cast.bob, servers.configuration("bob@example.org")) { bob in
        let serving = Task {
          for try await invitation in bob.rendezvous.invitations(application: "app", from: .any) {
            let isAnn = invitation.peer.name.description == Cast.ann
            try await bob.rendezvous.answer(
              invitation, with: isAnn ? .accept(Reference(port: 2000)) : .decline(.busy))
          }
        }
        try await withThrowingTaskGroup { group in
          for (name, login) in [(Cast.ann, "ann@example.org"), (Cast.eve, "eve@example.org")] {
            group.addTask {
              try await Peer.with(name, servers.configuration(login)) { peer in
                let answer = try await peer.invite(Cast.bob, Reference(port: 1000))
                if case .accept = answer { #expect(name == Cast.ann) } else { #expect(answer == .decline(.busy)) }
              }
            }
          }
          try await group.waitForAll()
        }
        serving.cancel()
      }
    }
  }

  /// The captured mail of the reference and everything that may lie in an inbox.
  @Test func oldMailReplaysAndGarbageAreLeftAlone() async throws {
    try await MailServers.run { servers in
      let memory = ReplayMemory()
      let (ann, bob, eve) = (try Cast.own(Cast.ann), try Cast.own(Cast.bob), try Cast.own(Cast.eve))
      let asked = try Reference(port: 1000)
      let mail = try invite(from: ann, to: bob, asked.line)
      // From before.
      try await servers.deliver(mail, to: "bob@example.org")
      try await eventually { servers.site.mails(of: "bob@example.org").count == 1 }
      try await Peer.with(Cast.bob, knowing: [Cast.ann], servers.configuration("bob@example.org"), memory: memory) {
        bobs in
        let list = InvitationList()
        let listening = Task {
          for try await invitation in bobs.rendezvous.invitations(application: "app", from: .any) {
            list.add(invitation)
          }
        }
        defer { listening.cancel() }
        let head = "From: desk <ann@example.org>\r\nTo: home <bob@example.org>\r\nSubject: app invite\r\n"
        let bad: [(String, String)] = [
          ("\(head)\r\n\(asked.line)\r\n", "it is not encrypted"),
          (
            "\(head)Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n",
            "cannot be decrypted"
          ),
          ("\(head)\r\n" + String(repeating: "xxxxxxxxxxxxxxxxxxxx\r\n", count: 10_000), "more than any message"),
          (try invite(from: eve, to: bob, asked.line), "nobody whom we accept"),
          (try invite(from: eve, to: bob, asked.line, as: ann.identity.name), "signature is not the peer's"),
          (try invite(from: ann, to: bob, "PLEXUS 9.9"), "another version"),
        ]
        for (index, (mail, reason)) in bad.enumerated() {
          try await servers.deliver(mail, to: "bob@example.org")
          try await bobs.log.wait(for: reason)
          #expect(bobs.log.all.count { $0.contains("mail.dropped") } == index + 1)
        }
        #expect(list.all.isEmpty)
        let fresh = try invite(from: ann, to: bob, try Reference(port: 3000).line)
        try await servers.deliver(fresh, to: "bob@example.org")
        try await eventually { list.all.count == 1 }
        try await servers.deliver(fresh, to: "bob@example.org")
        try await bobs.log.wait(for: "seen before")
        #expect(list.all.map(\.reference.endpoint.port) == [3000])
        // One a mail, and none of these is deleted.
        #expect(bobs.log.all.count { $0.contains("mail.dropped") } == bad.count + 1)
        try await eventually { servers.site.mails(of: "bob@example.org").count == bad.count + 2 }
      }
    }
  }

  @Test func presenceIsToldOnceForEachNotice() async throws {
    try await MailServers.run { servers in
      try await Peer.with(Cast.bob, servers.configuration("bob@example.org")) { bob in
        let (heard, feed) = AsyncStream.makeStream(of: String.self)
        let listening = Task {
          for try await advent in bob.rendezvous.advents(application: "app", from: .any) {
            feed.yield(advent.peer.name.description)
          }
        }
        defer { listening.cancel() }
        var names = heard.makeAsyncIterator()
        for (name, login) in [(Cast.ann, "ann@example.org"), (Cast.eve, "eve@example.org")] {
          try await Peer.with(name, servers.configuration(login)) { peer in
            try await peer.rendezvous.announce(to: Cast.own(Cast.bob).identity, application: "app")
          }
          #expect(await names.next() == name)
        }
        // The same mail again tells nothing.
        let part = try SMIMESealer(own: Cast.own(Cast.ann)).seal(AdventNotice.line, to: Cast.own(Cast.bob).identity)
        let mail = OutgoingMail(
          from: try Cast.own(Cast.ann).identity.name, to: try Cast.own(Cast.bob).identity.name, subject: "app advent",
          parts: [part])
        for _ in 1...2 { try await servers.deliver(mail.content, to: "bob@example.org") }
        try await bob.log.wait(for: "seen before")
        #expect(await names.next() == Cast.ann)
      }
    }
  }

  @Test func anAcceptorOutlivesTheServersRestart() async throws {
    try await MailServers.run { servers in
      try await Peer.with(Cast.bob, servers.configuration("bob@example.org")) { bob in
        let list = InvitationList()
        let listening = Task {
          for try await invitation in bob.rendezvous.invitations(application: "app", from: .any) {
            list.add(invitation)
          }
        }
        defer { listening.cancel() }
        try await servers.restart()
        try await eventually { bob.events.all.contains(.connected) }
        #expect(bob.events.all.contains { if case .disconnected = $0 { true } else { false } })
        try await servers.deliver(
          invite(from: Cast.own(Cast.ann), to: Cast.own(Cast.bob), Reference(port: 3000).line), to: "bob@example.org")
        try await eventually { list.all.count == 1 }
      }
    }
  }

  // MARK: What is wrong with the options or the server

  /// A configuration with one thing wrong, and what the sentence about it holds.
  struct Mistake: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let words: [String]
    let make: @Sendable (inout EmailConfiguration) -> Void

    init(_ what: String, _ words: String..., make: @escaping @Sendable (inout EmailConfiguration) -> Void) {
      (testDescription, self.words, self.make) = (what, words, make)
    }
  }

  private static let mistakes = [
    Mistake("the password", "refused the login of bob@example.org") { $0.password = .text("wrong") },
    Mistake("the CA", "--email-ca") { $0.authorityFile = $0.authorityFile?.replacing("ca.pem", with: "other.pem") },
    Mistake("no CA of the system's", "--email-ca") { $0.authorityFile = nil },
    Mistake("the name of IMAP", "the IMAP server localhost", "another name") { $0.imap.host = "localhost" },
    Mistake("the name of SMTP", "the SMTP server localhost", "another name") { $0.smtp.host = "localhost" },
    Mistake("nobody there", "127.0.0.1:9", "connection refused") { $0.imap.port = 9 },
    Mistake("no such name", "no.such.host.invalid") { $0.smtp.host = "no.such.host.invalid" },
    Mistake("SMTP for IMAP", "does not speak IMAP") { $0.imap.port = $0.smtp.port },
    Mistake("no TLS there", "starttls://") { $0.imap.port = $0.imap.port.map { $0 + 2 } },
    Mistake("no password file", "/no/such/file", "--email-password-file") { $0.password = .file("/no/such/file") },
  ]

  @Test(arguments: mistakes) func aMistakeIsOneSentence(mistake: Mistake) async throws {
    try await MailServers.run { servers in
      let configuration = servers.configuration("bob@example.org", configure: mistake.make)
      try await Peer.with(Cast.bob, configuration, joining: false) { bob in
        let error = await #expect(throws: RendezvousError.self) {
          try await bob.rendezvous.join(timeout: .seconds(30))
        }
        for word in mistake.words { #expect(error?.description.contains(word) == true, "\(error?.description ?? "")") }
        #expect(error?.description.contains(MailServers.password) == false)
      }
    }
  }

  @Test(arguments: mistakes) func theProbeFindsTheMistakeAndTheServersThatAreRight(mistake: Mistake) async throws {
    try await MailServers.run { servers in
      let right = EmailProbe(servers.configuration("bob@example.org"))
      for server in EmailProbe.Server.allCases { #expect(try await right.check(server) < .seconds(8)) }
      let wrong = EmailProbe(servers.configuration("bob@example.org", configure: mistake.make))
      var told: [String] = []
      for server in EmailProbe.Server.allCases {
        do { _ = try await wrong.check(server) } catch let error as RendezvousError { told.append(error.description) }
      }
      #expect(!told.isEmpty && told.allSatisfy { !$0.contains(MailServers.password) && !$0.contains("\n") })
      #expect(told.contains { sentence in mistake.words.allSatisfy { sentence.contains($0) } }, "\(told)")
    }
  }

  @Test func aMailThatTheServerRefusesIsASentence() async throws {
    try await MailServers.run(messageLimit: 2000) { servers in
      try await Peer.with(Cast.ann, servers.configuration("ann@example.org")) { ann in
        let error = await #expect(throws: RendezvousError.self) {
          try await ann.invite(Cast.bob, Reference(port: 1000))
        }
        #expect(error?.code == .rejected)
        #expect(
          error?.description.contains("refuses mail to bob@example.org: 552") == true, "\(error?.description ?? "")")
      }
    }
  }

  @Test func startTLSDoesAsWell() async throws {
    try await MailServers.run { servers in
      let configure: @Sendable (inout EmailConfiguration) -> Void = { configuration in
        configuration.smtp = MailServer(host: "127.0.0.1", port: servers.site.ports.submission, security: .startTLS)
        configuration.imap = MailServer(host: "127.0.0.1", port: servers.site.ports.imap, security: .startTLS)
        configuration.authentication = .login
      }
      try await Peer.with(Cast.bob, servers.configuration("bob@example.org", configure: configure)) { bob in
        try await Peer.with(Cast.ann, servers.configuration("ann@example.org", configure: configure)) { ann in
          async let invitation = bob.nextInvitation(answering: .accept(Reference(port: 2000)))
          _ = try await ann.invite(Cast.bob, Reference(port: 1000))
          _ = try await invitation
        }
      }
      // Here, too, the name is checked.
      try await Peer.with(
        Cast.bob,
        servers.configuration("bob@example.org") {
          configure(&$0)
          $0.imap.host = "localhost"
        }, joining: false
      ) { bob in
        let error = await #expect(throws: RendezvousError.self) {
          try await bob.rendezvous.join(timeout: .seconds(30))
        }
        #expect(error?.description.contains("another name") == true, "\(error?.description ?? "")")
      }
    }
  }
}

/// A mail with an invite, as text.
private func invite(
  from sender: OwnIdentity, to recipient: OwnIdentity, _ line: String, as name: IdentityName? = nil
) throws -> String {
  let part = try SMIMESealer(own: sender).seal(line, to: recipient.identity)
  return OutgoingMail(
    from: name ?? sender.identity.name, to: recipient.identity.name, subject: "app invite", parts: [part]
  ).content
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

  func invite(_ name: String, _ reference: Reference) async throws -> Answer {
    try await rendezvous.invite(
      Cast.own(name).identity, application: "app", reference: reference, timeout: .seconds(30))
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

/// Invitations that came in.
final class InvitationList: Sendable {
  private let invitations = Mutex<[Invitation]>([])

  func add(_ invitation: Invitation) { invitations.withLock { $0.append(invitation) } }

  var all: [Invitation] { invitations.withLock { $0 } }
}
