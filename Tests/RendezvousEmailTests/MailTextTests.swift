import Foundation
import Identity
import Testing

@testable import RendezvousEmail

@Suite struct MailTextTests {
  @Test(
    arguments: [
      ("alice@example.org/desk", "desk <alice@example.org>"), ("a@b.c/my desk.1", "my desk.1 <a@b.c>"),
      ("a@b.c/Smith, J", "\"Smith, J\" <a@b.c>"), ("a@b.c/say \"hi\"", "\"say \\\"hi\\\"\" <a@b.c>"),
      ("a@b.c/büro", "=?UTF-8?B?YsO8cm8=?= <a@b.c>"), ("a@b.c/=?x?=", "=?UTF-8?B?PT94Pz0=?= <a@b.c>"),
    ])
  func mailboxesAreWrittenAndRead(name: String, field: String) throws {
    let name = try IdentityName(name)
    #expect(Mailbox(name).field == field)
    #expect(Mailbox(field: field)?.isSame(as: name) == true)
  }

  @Test(arguments: ["", "a@b.c", "<a@b.c", "x <>", "x <a b@c>", "x <a@b>, y <c@d>"])
  func otherMailboxesAreNobodysWhomWeKnow(field: String) throws {
    let mailbox = Mailbox(field: field)
    let known = try IdentityName("c@d/y")
    #expect(mailbox == nil || mailbox?.isSame(as: known) == false)
  }

  @Test(
    arguments: [
      ("alice@example.org", true), ("alice", false), ("a@b@c", false), ("@b", false), ("a@", false), ("a b@c", false),
      ("a\r\nRCPT TO:<x@y>@c", false), ("ä@b.c", false), ("a>@b", false),
    ])
  func onlyAddressesGetMail(owner: String, isAddress: Bool) { #expect(Mailbox.isAddress(owner) == isAddress) }

  @Test(arguments: [
    "app invite", "ein längerer Name für eine Anwendung, die in keine Zeile passt, ünd noch mehr 🎈 invite",
    "a\r\nBcc: x",
  ])
  func subjectsSurvive(text: String) {
    let encoded = HeaderText.encode(text)
    #expect(encoded.split(separator: "\r\n").allSatisfy { $0.utf8.count <= 76 || text == encoded })
    #expect(!encoded.contains("\r\nBcc"))
    let entity = MIMEEntity(Array("Subject: \(encoded)\r\n\r\n".utf8)[...])
    #expect(HeaderText.decode(entity["subject"] ?? "") == text)
  }

  @Test func encodedWordsOfOthersAreRead() {
    #expect(HeaderText.decode("=?utf-8?Q?=C3=BC_x?= y") == "ü x y")
    #expect(HeaderText.decode("=?ISO-8859-1?q?=FCx?= =?utf-8?b?eQ==?=") == "üxy")
    #expect(HeaderText.decode("a =?broken") == "a =?broken")
    #expect(HeaderText.decode("=?utf-7?Q?x?= =?") == "=?utf-7?Q?x?= =?")
    #expect(HeaderText.decode("=?utf-8*de?Q??=x=?utf-8?Q?=?=") == "x=?utf-8?Q?=?=")
    #expect(HeaderText.decode("=?a=?utf-8?q?b?=") == "=?ab")
  }

  @Test(arguments: ["=?a", "=?utf-8?q?=", "=?utf-8?b?YQ==?= ", "=?a?b?c?", "?="])
  func aStrangersLongFieldCostsNothing(piece: String) throws {
    let long = String(repeating: piece, count: 60_000 / piece.utf8.count)
    for text in [long, long + "?=", String(long.prefix(HeaderText.limit))] {
      let header = "From: \(text) <a@b.c>\r\nTo: \(text) <a@b.c>\r\nSubject: \(text)\r\n\r\n"
      // Quadratic time was more than a minute.
      let time = try ContinuousClock().measure {
        let card = try #require(MailCard(header: Array(header.utf8)))
        #expect(card.subject.utf8.count <= HeaderText.limit && card.from.pin.utf8.count <= HeaderText.limit)
      }
      #expect(time < .seconds(5))
    }
  }

  @Test func foldedFieldsAndAnyLineEndAreRead() {
    let text = "From: a\n <b@c>\r\nnonsense\r\nTO:d\r\n\r\nbody: x\r\n"
    let entity = MIMEEntity(Array(text.utf8)[...])
    #expect(entity["from"] == "a <b@c>" && entity["to"] == "d" && entity["body"] == nil)
    #expect(String(decoding: entity.body, as: UTF8.self) == "body: x\r\n")
  }

  @Test func partsStandBetweenTheirBoundaries() {
    let text =
      "Content-Type: multipart/mixed; boundary=\"-- x;y\"\r\n\r\npreamble\r\n---- x;y \r\none\r\n---- x;yz\r\n---- x;y\r\n\r\n---- x;y--\r\nend"
    let entity = MIMEEntity(Array(text.utf8)[...])
    let boundary = entity.contentType.parameters["boundary"]
    #expect(boundary == "-- x;y")
    #expect(
      entity.parts(boundary: boundary ?? "").map { String(decoding: $0, as: UTF8.self) } == ["one\r\n---- x;yz", ""])
  }

  @Test func datesOfServersAreRead() {
    #expect(MailDesk.date("17-Jul-1996 02:44:25 -0700")?.timeIntervalSince1970 == 837_596_665)
    #expect(MailDesk.date(" 1-Jan-1970 00:00:00 +0000")?.timeIntervalSince1970 == 0)
    for text in ["", "yesterday", "99-Jul-1996 02:44:25 -0700", "17-Foo-1996 02:44:25 -0700"] {
      #expect(MailDesk.date(text) == nil)
    }
  }

  @Test(
    arguments: [
      ("mail.example.org", "mail.example.org", nil, MailServer.Security.implicit),
      ("mail.example.org:4650", "mail.example.org", 4650, .implicit), ("[::1]:993", "::1", 993, .implicit),
      ("starttls://mail.example.org", "mail.example.org", nil, .startTLS),
      ("STARTTLS://mail.example.org:25", "mail.example.org", 25, .startTLS),
    ] as [(String, String, UInt16?, MailServer.Security)])
  func serversAreRead(text: String, host: String, port: UInt16?, security: MailServer.Security) {
    #expect(MailServer(text) == MailServer(host: host, port: port, security: security))
  }

  @Test(arguments: ["", "https://x", "a:0", "a:b", "starttls://", "a b"])
  func whatIsNoServerIsRefused(text: String) { #expect(MailServer(text) == nil) }

  @Test(
    arguments: [
      ("mail.example.org", "mail.example.org", true), ("Mail.Example.org.", "mail.example.ORG", true),
      ("mail.example.org", "*.example.org", true), ("a.mail.example.org", "*.example.org", false),
      ("example.org", "*.org", false), ("mail.example.org", "m*.example.org", false),
      ("mail.example.org", "mail.example.com", false), ("", "", false), (".example.org", "*.example.org", false),
    ])
  func certificatesAreForNames(host: String, pattern: String, matches: Bool) {
    #expect(ServerNameCheck.matches(host, pattern) == matches)
  }

  @Test func passwordsStandInNoDescription() throws {
    let login = MailLogin(name: "ann", password: "s3cret", method: .plain)
    var dumped = ""
    dump(login, to: &dumped)
    dump(EmailConfiguration.Password.text("s3cret"), to: &dumped)
    #expect(!"\(login) \(EmailConfiguration.Password.text("s3cret")) \(dumped)".contains("s3cret"))
  }
}
