import Datagrams
import Foundation
import Identity
import Testing

@testable import RendezvousEmail

/// The session in virtual time, fed byte by byte.
@Suite struct SMTPSessionTests {
  private struct Dialogue {
    var session: SMTPSession
    var events: [SMTPSession.Event] = []
    private var sent = ""

    init(login: MailLogin = .test, startsTLS: Bool = false) {
      session = SMTPSession(
        server: "the SMTP server", login: login, hello: "[192.0.2.1]", startsTLS: startsTLS, now: .zero)
    }

    mutating func server(_ lines: String...) throws {
      for byte in lines.map({ $0 + "\r\n" }).joined().utf8 {
        try session.receive([byte], now: .zero)
        drain()
      }
    }

    mutating func client() -> String {
      drain()
      defer { sent = "" }
      return sent
    }

    mutating func expect(
      _ line: String, answering lines: String..., sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      #expect(client() == line + "\r\n", sourceLocation: sourceLocation)
      for line in lines { try server(line) }
    }

    mutating func begin(_ methods: String = "PLAIN LOGIN") throws {
      try server("220-mail.example.org", "220 ready")
      try expect(
        "EHLO [192.0.2.1]", answering: "250-mail.example.org", "250-SIZE 10240000", "250-AUTH \(methods)", "250 DSN")
    }

    private mutating func drain() {
      if let bytes = session.pollTransmit() { sent += String(decoding: bytes, as: UTF8.self) }
      while let event = session.pollEvent() { events.append(event) }
    }
  }

  private static func mail() throws -> OutgoingMail {
    try OutgoingMail(
      from: IdentityName(Cast.ann), to: IdentityName(Cast.bob), subject: "app invite", parts: [".one\r\n..two\r\n."])
  }

  @Test func mailsAreSentOneAfterAnother() throws {
    var dialogue = Dialogue()
    try dialogue.begin()
    try dialogue.expect("AUTH PLAIN AGFubgBzZWNyZXQ=", answering: "235 2.7.0 ok")
    for _ in 1...2 {
      dialogue.session.send(try Self.mail(), now: .zero)
      try dialogue.expect("MAIL FROM:<ann@example.org>", answering: "250 ok")
      try dialogue.expect("RCPT TO:<bob@example.org>", answering: "250 ok")
      try dialogue.expect("DATA", answering: "354 go on")
      let content = dialogue.client()
      #expect(content.hasPrefix("From: desk <ann@example.org>\r\nTo: home <bob@example.org>\r\n"))
      #expect(content.contains("\r\n..one\r\n...two\r\n..\r\n--") && content.hasSuffix("--\r\n.\r\n"))
      try dialogue.server("250 queued")
    }
    dialogue.session.quit(now: .zero)
    try dialogue.expect("QUIT", answering: "221 bye")
    #expect(dialogue.events == [.ready, .sent, .sent, .ended])
  }

  @Test func allWaysToLogIn() throws {
    var dialogue = Dialogue()
    try dialogue.begin("LOGIN")
    try dialogue.expect("AUTH LOGIN", answering: "334 VXNlcm5hbWU6")
    try dialogue.expect("YW5u", answering: "334 UGFzc3dvcmQ6")
    try dialogue.expect("c2VjcmV0", answering: "235 ok")

    dialogue = Dialogue(login: MailLogin(name: "ann", password: "token", method: .xoauth2))
    try dialogue.begin()
    try dialogue.expect(
      "AUTH XOAUTH2 dXNlcj1hbm4BYXV0aD1CZWFyZXIgdG9rZW4BAQ==", answering: "334 eyJzdGF0dXMiOiI0MDAifQ==")
    #expect(dialogue.client() == "\r\n")
    #expect { try dialogue.server("535 5.7.8 token expired") } throws: { ($0 as? MailError)?.code == .loginRefused }

    let token = String(repeating: "t", count: 1000)
    dialogue = Dialogue(login: MailLogin(name: "ann", password: token, method: .xoauth2))
    try dialogue.begin()
    try dialogue.expect("AUTH XOAUTH2", answering: "334 ")
    #expect(dialogue.client().count > 1000)

    dialogue = Dialogue()
    #expect { try dialogue.begin("CRAM-MD5") } throws: { ($0 as? MailError)?.code == .loginRefused }
  }

  @Test func nothingIsSaidInTheClearButSTARTTLS() throws {
    var dialogue = Dialogue(startsTLS: true)
    try dialogue.server("220 ready")
    try dialogue.expect("EHLO [192.0.2.1]", answering: "250-mail", "250-AUTH PLAIN", "250 STARTTLS")
    try dialogue.expect("STARTTLS", answering: "220 begin")
    #expect(dialogue.events == [.startTLS])
    #expect(dialogue.client().isEmpty)
    dialogue.session.startedTLS(now: .zero)
    try dialogue.expect("EHLO [192.0.2.1]", answering: "250-mail", "250 AUTH PLAIN")
    #expect(dialogue.client().hasPrefix("AUTH PLAIN"))

    dialogue = Dialogue(startsTLS: true)
    try dialogue.server("220 ready")
    try dialogue.expect("EHLO [192.0.2.1]", answering: "250 mail")
    var session = dialogue.session
    #expect {
      try session.receive(Array("220 begin\r\n250 injected".utf8), now: .zero)
    } throws: { ($0 as? MailError)?.code == .untrusted }
    #expect(throws: MailError.self) { try dialogue.server("502 not implemented") }
  }

  @Test(
    arguments: [
      ("552 5.2.2 Mailbox full", MailError.Code.rejected), ("452 4.2.2 Mailbox full", .refusedForNow),
      ("550 5.1.1 No such user", .rejected), ("421 4.3.2 shutting down", .unreachable), ("nonsense", .garbage),
    ])
  func aRefusedMailIsASentence(reply: String, code: MailError.Code) throws {
    var dialogue = Dialogue()
    try dialogue.begin()
    try dialogue.expect("AUTH PLAIN AGFubgBzZWNyZXQ=", answering: "235 ok")
    dialogue.session.send(try Self.mail(), now: .zero)
    try dialogue.expect("MAIL FROM:<ann@example.org>", answering: "250 ok")
    #expect {
      try dialogue.server(reply)
    } throws: { error in
      let words = reply.split(separator: " ").suffix(2).joined(separator: " ")
      return (error as? MailError)?.code == code && (code == .garbage || "\(error)".contains(words))
    }
  }

  @Test func aRefusedLoginTellsNoSecret() throws {
    for words in ["5.7.8 authentication failed", "secret is wrong", "AGFubgBzZWNyZXQ="] {
      var dialogue = Dialogue()
      try dialogue.begin()
      #expect {
        try dialogue.server("535 \(words)")
      } throws: {
        ($0 as? MailError)?.code == .loginRefused && !"\($0)".contains("secret") && !"\($0)".contains("AGFubg")
      }
    }
  }

  @Test func aSilentServerIsGivenUp() throws {
    var dialogue = Dialogue()
    #expect(dialogue.session.pollTimeout() == Instant.zero.advanced(by: .seconds(30)))
    #expect {
      try dialogue.session.handleTimeout(now: Instant.zero.advanced(by: .seconds(30)))
    } throws: { ($0 as? MailError)?.code == .silent }
    // Between mails it may be silent.
    try dialogue.begin()
    try dialogue.expect("AUTH PLAIN AGFubgBzZWNyZXQ=", answering: "235 ok")
    #expect(dialogue.session.pollTimeout() == nil)
  }

  @Test func repliesWithoutEndAreBounded() throws {
    var parser = SMTPReplyParser()
    parser.append(Array(repeating: 0x32, count: SMTPReplyParser.lineLimit + 1))
    #expect(throws: SMTPSyntaxError.self) { try parser.next() }
    parser = SMTPReplyParser()
    parser.append(Array(String(repeating: "250-x\r\n", count: SMTPReplyParser.linesLimit + 1).utf8))
    #expect(throws: SMTPSyntaxError.self) { try parser.next() }
  }
}
