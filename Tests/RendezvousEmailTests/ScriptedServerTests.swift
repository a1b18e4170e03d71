import Datagrams
import Foundation
import Identity
import NIOCore
import NIOPosix
import Rendezvous
import Testing

@testable import RendezvousEmail

/// What real servers do not do on demand, over real sockets and TLS.
@Suite(.timeLimit(.minutes(3))) struct ScriptedServerTests {
  @Test func anAcceptorReconnectsAndMissesNothing() async throws {
    try await ScriptedMailServer.run { server in
      try await Peer.with(Cast.bob, server.configuration) { bob in
        let list = InvitationList()
        let listening = Task {
          for try await invitation in bob.rendezvous.invitations(application: "app", from: .any) {
            list.add(invitation)
          }
        }
        defer { listening.cancel() }
        // It comes while nobody is connected.
        server.box.dropConnections()
        server.box.add(try Self.invite(3000))
        try await eventually { list.all.count == 1 }
        // The connection breaks in the middle of the deletion, which is done all the same.
        try await eventually { server.box.messages.isEmpty }
        server.box.breakBefore("UID EXPUNGE")
        server.box.add(try Self.invite(3001))
        try await eventually { list.all.count == 2 && server.box.messages.isEmpty }
        #expect(list.all.map(\.reference.endpoint.port) == [3000, 3001])
        // And then it is one connection again.
        try await eventually { server.box.openIMAPConnections == 1 }
        #expect(server.box.imapConnections == 3)
        #expect(bob.events.all.count { if case .disconnected = $0 { true } else { false } } == 2)
      }
    }
  }

  @Test func mailsThatAreNotNewAreIgnored() async throws {
    try await ScriptedMailServer.run { server in
      server.box.add(try Self.invite(1000))
      try await Peer.with(Cast.bob, server.configuration) { bob in
        server.box.add(try Self.invite(3000))
        let invitation = try await bob.nextInvitation()
        #expect(invitation.reference.endpoint.port == 3000)
        try await eventually { server.box.messages.count == 1 }
      }
    }
  }

  @Test func anAnswerIsSentAgainWhenTheServerDoesNotTakeIt() async throws {
    try await ScriptedMailServer.run { server in
      try await Peer.with(Cast.bob, server.configuration) { bob in
        server.box.add(try Self.invite(3000))
        let invitation = try await bob.nextInvitation()
        server.box.refuse("RCPT TO", once: "452 4.2.2 Mailbox full")
        try await bob.rendezvous.answer(invitation, with: .accept(Reference(port: 2000)))
        #expect(server.box.sent.count == 1)
        #expect(
          bob.events.all.contains {
            if case .notSent(let reason, _) = $0 { reason.contains("Mailbox full") } else { false }
          })
        server.box.refuse("RCPT TO", once: "550 5.1.1 No such user")
        let error = await #expect(throws: RendezvousError.self) {
          try await bob.rendezvous.answer(invitation, with: .accept(Reference(port: 2000)))
        }
        #expect(error?.code == .rejected && error?.description.contains("No such user") == true)
      }
    }
  }

  /// Of two who invite as one identity each takes the answer to its own invite; the reference's answer says nothing of that.
  @Test func answersFindTheirInvite() async throws {
    try await ScriptedMailServer.run { server in
      try await Peer.with(Cast.bob, server.configuration) { bob in
        let ann = try Cast.own(Cast.ann)
        async let answer = bob.invite(Cast.ann, Reference(port: 1000))
        try await eventually { server.box.sent.count == 1 }
        let asked = try #require(MailCard(header: Array(server.box.sent[0].utf8))?.messageID)
        for (port, answered) in [(2000, "<other@example.org>"), (2001, asked)] as [(UInt16, String?)] {
          server.box.add(try Self.mail(from: ann, "accept", Reference(port: port).line, answering: answered))
        }
        guard case .accept(let reference) = try await answer else { throw RendezvousError(.unanswered, "declined") }
        #expect(reference.endpoint.port == 2001)
        #expect(bob.log.text.contains("it answers another invite"))

        async let second = bob.invite(Cast.ann, Reference(port: 1000))
        try await eventually { server.box.sent.count == 2 }
        server.box.add(try Self.mail(from: ann, "accept", Reference(port: 2002).line))
        guard case .accept(let other) = try await second else { throw RendezvousError(.unanswered, "declined") }
        #expect(other.endpoint.port == 2002)
      }
    }
  }

  @Test func aRefusalIsNotSentToThoseWhoDoNotLookForIt() async throws {
    try await ScriptedMailServer.run { server in
      try await Peer.with(Cast.bob, server.configuration) { bob in
        server.box.add(try Self.invite(3000))
        try await bob.rendezvous.answer(bob.nextInvitation(), with: .decline(.busy))
        #expect(server.box.sent.isEmpty)
      }
    }
  }

  @Test func aClientCertificateIsShown() async throws {
    try await ScriptedMailServer.run(wantsClientCertificate: true) { server in
      var configuration = server.configuration
      configuration.certificateFile = "\(server.tls.folder)/client.pem"
      configuration.keyFile = "\(server.tls.folder)/client.key"
      try await Peer.with(Cast.bob, configuration) { _ in }
      let error = await #expect(throws: RendezvousError.self) {
        try await Peer.with(Cast.bob, server.configuration) { _ in }
      }
      #expect(error?.description.contains("--email-cert") == true, "\(error?.description ?? "")")
      configuration.keyFile = "\(server.tls.folder)/ca.key"
      #expect(throws: MailError.self) { try MailTLS(configuration) }
      configuration.keyFile = nil
      #expect(throws: MailError.self) { try MailTLS(configuration) }
    }
  }

  /// NIOSSL alone would take it: the name leads to the address.
  @Test func aCertificateForTheAddressIsNoneForTheName() async throws {
    try await ScriptedMailServer.run(certificate: "address") { server in
      let error = await #expect(throws: RendezvousError.self) {
        try await Peer.with(Cast.bob, server.configuration) { _ in }
      }
      #expect(error?.description.contains("another name") == true, "\(error?.description ?? "")")
      var configuration = server.configuration
      configuration.imap.host = "127.0.0.1"
      configuration.smtp.host = "127.0.0.1"
      try await Peer.with(Cast.bob, configuration) { _ in }
    }
  }

  @Test func aSilentServerDoesNotHoldUpACancelledJoin() async throws {
    try await ScriptedMailServer.run { server in
      server.box.isMute = true
      let joining = Task { try await Peer.with(Cast.bob, server.configuration) { _ in } }
      try await eventually { server.box.imapConnections > 0 }
      joining.cancel()
      await #expect(throws: CancellationError.self) { try await joining.value }
    }
  }

  @Test func aCancelledMailWaitsNeitherForASilentServerNorForItsTurn() async throws {
    try await ScriptedMailServer.run { server in
      server.box.isMute = true
      let sender = MailSender(
        endpoint: MailEndpoint(.smtp, server.configuration.smtp), tls: try MailTLS(server.configuration),
        configuration: server.configuration)
      let mail = try OutgoingMail(
        from: IdentityName(Cast.ann), to: IdentityName(Cast.bob), subject: "app invite", parts: ["text"])
      // One of them takes over this connection, three make their own, two wait for their turn.
      await sender.startWarming()
      let sending = (1...6).map { _ in Task { try await sender.send(mail) } }
      try await eventually { server.box.openSMTPConnections == 4 }
      let start = ContinuousClock.now
      for task in sending.reversed() {
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
      }
      // A server that does not answer is given up after half a minute.
      #expect(ContinuousClock.now - start < .seconds(20))
      try await eventually { server.box.openSMTPConnections == 0 }
      // All turns have been given back.
      server.box.isMute = false
      try await withThrowingTaskGroup { group in
        for _ in 1...5 { group.addTask { try await sender.send(mail) } }
        try await group.waitForAll()
      }
      #expect(server.box.sent.count == 5)
      await sender.close()
      try await eventually { server.box.openSMTPConnections == 0 }
    }
  }

  @Test func whatComesInTheClearAfterSTARTTLSIsNotTakenForTLS() async throws {
    let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(InjectingServer()) }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    let port = UInt16(clamping: server.localAddress?.port ?? 0)
    let address = MailServer(host: "localhost", port: port, security: .startTLS)
    var configuration = EmailConfiguration(smtp: address, imap: address, login: "bob", password: .text("secret"))
    configuration.authorityFile = "\(try TestTLS.shared.get().folder)/ca.pem"
    let connection = try await MailConnection.open(MailEndpoint(.smtp, address), tls: MailTLS(configuration))
    #expect(try await connection.receive(until: .distantFuture) == Array("220 begin\r\n".utf8))
    connection.send(Array("go on\r\n".utf8))
    // All has been read once the end was: then there is no address any more.
    try await eventually { connection.localAddress == nil }
    let error = await #expect(throws: MailError.self) { try await connection.startTLS() }
    #expect(error?.code == .untrusted, "\(error?.description ?? "")")
    await connection.close()
    try await server.close()
  }

  /// Not even TLS is answered, and no goodbye.
  @Test func aServerThatSaysNothingAtAllDoesNotHoldUpTheEndOfItsConnection() async throws {
    let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .bind(host: "127.0.0.1", port: 0).get()
    let port = UInt16(clamping: server.localAddress?.port ?? 0)
    let endpoint = MailEndpoint(.imap, MailServer(host: "127.0.0.1", port: port))
    var configuration = EmailConfiguration(
      smtp: MailServer(host: "127.0.0.1", port: port), imap: MailServer(host: "127.0.0.1", port: port), login: "bob",
      password: .text("secret"))
    configuration.authorityFile = "\(try TestTLS.shared.get().folder)/ca.pem"
    let connection = try await MailConnection.open(endpoint, tls: MailTLS(configuration))
    let receiving = Task { try await connection.receive(until: .distantFuture) }
    receiving.cancel()
    await #expect(throws: CancellationError.self) { _ = try await receiving.value }
    let start = ContinuousClock.now
    await connection.close()
    // NIOSSL alone waits for five seconds.
    #expect(ContinuousClock.now - start < .seconds(4))
    try await server.close()
  }

  private static func invite(_ port: UInt16) throws -> String {
    try mail(from: Cast.own(Cast.ann), "invite", Reference(port: port).line)
  }

  private static func mail(
    from sender: OwnIdentity, _ subject: String, _ line: String, answering: String? = nil
  ) throws -> String {
    let bob = try Cast.own(Cast.bob).identity
    return OutgoingMail(
      from: sender.identity.name, to: bob.name, subject: "app \(subject)",
      parts: [try SMIMESealer(own: sender).seal(line, to: bob)], answering: answering
    ).content
  }
}

/// Answers STARTTLS before it is asked for, and says more as soon as the client has said something.
private final class InjectingServer: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  func channelActive(context: ChannelHandlerContext) {
    context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "220 begin\r\n")), promise: nil)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "250 injected\r\n")), promise: nil)
    context.close(promise: nil)
  }
}
