import Datagrams
import Testing

@testable import RendezvousEmail

/// The session in virtual time, fed byte by byte.
@Suite struct IMAPSessionTests {
  @Test func aMessageIsToldFetchedAndDeleted() throws {
    var dialogue = IMAPDialogue()
    try dialogue.beginIdling()
    try dialogue.server("* OK Still here", "* 4 EXISTS", "* 1 RECENT")
    try dialogue.expect("DONE", answering: "TAG OK idled")
    let header = "From: a <a@b>\r\n\r\n"
    try dialogue.expect(
      "UID FETCH 10:* \(IMAPDialogue.check)",
      answering:
        "* 4 FETCH (FLAGS (\\Recent) UID 10 RFC822.SIZE 321 INTERNALDATE \"23-Nov-2026 05:00:00 +0000\" "
        + "BODY[HEADER.FIELDS (FROM TO SUBJECT IN-REPLY-TO MESSAGE-ID X-PLEXUS-SUBJECTS)] {\(header.utf8.count)}",
      header + ")",
      "* 5 EXISTS", "TAG OK fetched")
    let summary = IMAPSummary(
      uid: 10, size: 321, internalDate: "23-Nov-2026 05:00:00 +0000", header: Array(header.utf8))
    #expect(dialogue.nextEvent() == .message(summary))
    dialogue.fetch(10)
    // Another one came meanwhile. What was asked for then comes after it is listed.
    try dialogue.expect(
      "UID FETCH 11:* \(IMAPDialogue.check)",
      answering: "* 5 FETCH (UID 10 BODY[HEADER.FIELDS (FROM)] \"\")", "TAG OK fetched")
    #expect(dialogue.nextEvent() == nil)
    #expect(dialogue.session.position == IMAPPosition(validity: 7, next: 10))
    try dialogue.expect(
      "UID FETCH 10 (UID BODY.PEEK[]<0.65536>)", answering: "* 4 FETCH (BODY[]<0> {5}", "a)\r\n{ UID 10)",
      "TAG OK fetched")
    #expect(dialogue.nextEvent() == .body(uid: 10, .bytes(Array("a)\r\n{".utf8))))
    try dialogue.expect("IDLE", answering: "+ idling")
    dialogue.delete(10)
    try dialogue.expect("DONE", answering: "TAG OK idled")
    #expect(dialogue.session.unfinishedDeletions == [10])
    try dialogue.expect("UID STORE 10 +FLAGS.SILENT (\\Deleted)", answering: "TAG OK stored")
    #expect(dialogue.session.unfinishedDeletions == [10])
    try dialogue.expect("UID EXPUNGE 10", answering: "* 4 EXPUNGE", "TAG OK expunged")
    #expect(dialogue.session.unfinishedDeletions.isEmpty)
    #expect(dialogue.session.position == IMAPPosition(validity: 7, next: 11))
    try dialogue.expect("IDLE", answering: "+ idling")
    dialogue.logOut()
    try dialogue.expect("DONE", answering: "TAG OK idled")
    #expect(dialogue.client() == ["LOGOUT"])
    #expect(dialogue.nextEvent() == .loggedOut)
  }

  // MARK: Idle acceptors

  @Test func anHourOfIdlingTakesOneConnectionAndTwoRenewals() throws {
    var dialogue = IMAPDialogue()
    try dialogue.beginIdling()
    var sent: [String] = []
    while dialogue.now < Instant.zero.advanced(by: .seconds(3600)) {
      try dialogue.wait(.seconds(60))
      for line in dialogue.client() {
        sent.append(line)
        try dialogue.server(line == "IDLE" ? "+ idling" : "\(dialogue.tag) OK done")
        for next in dialogue.client() {
          sent.append(next)
          try dialogue.server(next == "IDLE" ? "+ idling" : "\(dialogue.tag) OK done")
          for last in dialogue.client() {
            sent.append(last)
            try dialogue.server("+ idling")
          }
        }
      }
    }
    let renewal = ["DONE", "UID FETCH 10:* \(IMAPDialogue.check)", "IDLE"]
    #expect(sent == renewal + renewal)
    #expect(dialogue.nextEvent() == nil)
  }

  @Test func withoutIdleTheServerIsAskedEveryFewSeconds() throws {
    var dialogue = IMAPDialogue()
    try dialogue.begin("IMAP4rev1 SASL-IR AUTH=PLAIN UIDPLUS")
    var polls = 0
    while dialogue.now < Instant.zero.advanced(by: .seconds(3600)) {
      try dialogue.wait(.seconds(60))
      for line in dialogue.client() {
        #expect(line == "NOOP")
        polls += 1
        try dialogue.server("\(dialogue.tag) OK nothing")
      }
    }
    #expect(polls == 3600 / 5)
    try dialogue.wait(.seconds(5))
    try dialogue.expect("NOOP", answering: "* 4 EXISTS", "TAG OK something")
    #expect(dialogue.client() == ["UID FETCH 10:* \(IMAPDialogue.check)"])
  }

  @Test func aServerThatRefusesIdleIsPolled() throws {
    var dialogue = IMAPDialogue()
    try dialogue.begin()
    try dialogue.expect("IDLE", answering: "TAG BAD not today")
    try dialogue.wait(.seconds(5))
    try dialogue.expect("NOOP", answering: "TAG OK")
  }

  @Test func aDeadServerIsNoticedAtTheRenewal() throws {
    var dialogue = IMAPDialogue()
    try dialogue.beginIdling()
    try dialogue.wait(.seconds(25 * 60))
    #expect(dialogue.client() == ["DONE"])
    #expect { try dialogue.wait(.seconds(31)) } throws: { ($0 as? MailError)?.code == .silent }
  }

  // MARK: Logging in

  @Test func capabilitiesMayComeInManyWays() throws {
    // Not in the greeting, untagged after the login.
    var dialogue = IMAPDialogue()
    try dialogue.server("* OK hello")
    try dialogue.expect("CAPABILITY", answering: "* CAPABILITY IMAP4rev1 AUTH=PLAIN", "TAG OK")
    // No SASL-IR: the answer is asked for.
    try dialogue.expect("AUTHENTICATE PLAIN", answering: "+ ")
    try dialogue.expect("AGFubgBzZWNyZXQ=", answering: "* CAPABILITY IMAP4rev1 IDLE", "TAG OK")
    #expect(dialogue.client() == ["SELECT INBOX"])
  }

  @Test func theLoginCommandQuotesAndSendsLiterals() throws {
    let login = MailLogin(name: "a\"n\\n", password: "gehe\u{00EF}m", method: .automatic)
    var dialogue = IMAPDialogue(login: login)
    try dialogue.server("* OK [CAPABILITY IMAP4rev1] hello")
    try dialogue.expect("LOGIN \"a\\\"n\\\\n\" {7}", answering: "+ go on")
    try dialogue.expect("gehe\u{00EF}m", answering: "TAG OK in")
    #expect(dialogue.client() == ["CAPABILITY"])
  }

  @Test func loginAndXOAUTH2AreSASLMechanismsToo() throws {
    var dialogue = IMAPDialogue(login: MailLogin(name: "ann", password: "secret", method: .login))
    try dialogue.server("* OK [CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=LOGIN] hello")
    try dialogue.expect("AUTHENTICATE LOGIN", answering: "+ VXNlcm5hbWU6")
    try dialogue.expect("YW5u", answering: "+ UGFzc3dvcmQ6")
    try dialogue.expect("c2VjcmV0", answering: "TAG OK in")

    dialogue = IMAPDialogue(login: MailLogin(name: "ann", password: "token", method: .xoauth2))
    try dialogue.server("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hello")
    try dialogue.expect(
      "AUTHENTICATE XOAUTH2 dXNlcj1hbm4BYXV0aD1CZWFyZXIgdG9rZW4BAQ==", answering: "+ eyJzdGF0dXMiOiI0MDAifQ==")
    // The challenge says why not, and wants an empty answer.
    #expect(dialogue.client() == [""])
    #expect { try dialogue.server("P1 NO refused") } throws: { ($0 as? MailError)?.code == .loginRefused }
  }

  @Test func aRefusedLoginTellsWhyAndNoSecret() throws {
    for words in ["[AUTHENTICATIONFAILED] Authentication failed.", "you said secret", "AGFubgBzZWNyZXQ= is wrong"] {
      var dialogue = IMAPDialogue()
      try dialogue.server("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hello")
      #expect(dialogue.client().count == 1)
      #expect {
        try dialogue.server("P1 NO \(words)")
      } throws: { error in
        let text = "\(error)"
        return (error as? MailError)?.code == .loginRefused && !text.contains("secret") && !text.contains("AGFubg")
          && text.contains("ann") && text.contains("--email-login")
      }
    }
  }

  // MARK: STARTTLS

  @Test func nothingIsSaidInTheClearButSTARTTLS() throws {
    var dialogue = IMAPDialogue { $0.startsTLS = true }
    try dialogue.server("* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] hello")
    try dialogue.expect("STARTTLS", answering: "TAG OK begin")
    #expect(dialogue.nextEvent() == .startTLS)
    #expect(dialogue.client().isEmpty)
    dialogue.startedTLS()
    // What was said in the clear counts for nothing.
    try dialogue.expect("CAPABILITY", answering: "* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN", "TAG OK")
    #expect(dialogue.client() == ["AUTHENTICATE PLAIN AGFubgBzZWNyZXQ="])
  }

  @Test func whatIsPutInBeforeTLSIsNoticed() throws {
    var dialogue = IMAPDialogue { $0.startsTLS = true }
    try dialogue.server("* OK [CAPABILITY IMAP4rev1 STARTTLS] hello")
    #expect(dialogue.client() == ["STARTTLS"])
    // In one segment with the answer.
    #expect {
      var session = dialogue.session
      try session.receive(Array("P1 OK begin\r\n* BYE".utf8), now: .zero)
    } throws: { ($0 as? MailError)?.code == .untrusted }
    #expect(throws: MailError.self) { try dialogue.server("P1 NO tls is broken") }

    dialogue = IMAPDialogue { $0.startsTLS = true }
    // A login that was made in the clear is nobody's.
    #expect(throws: MailError.self) { try dialogue.server("* PREAUTH welcome") }
  }

  // MARK: Only the own messages are expunged

  @Test(arguments: [(" 10", true), (" 3 10", false), ("", true)])
  func withoutUIDPLUSOthersMarksAreLeftAlone(deleted: String, expunges: Bool) throws {
    var dialogue = IMAPDialogue()
    try dialogue.beginIdling("IMAP4rev1 SASL-IR AUTH=PLAIN IDLE")
    dialogue.delete(10)
    try dialogue.expect("DONE", answering: "TAG OK")
    try dialogue.expect("UID STORE 10 +FLAGS.SILENT (\\Deleted)", answering: "TAG OK")
    try dialogue.expect("UID SEARCH DELETED", answering: "* SEARCH\(deleted)", "TAG OK")
    #expect(dialogue.client() == [expunges ? "EXPUNGE" : "IDLE"])
  }

  @Test func aMailboxThatCannotBeWrittenIsToldAndGoneOnWith() throws {
    var dialogue = IMAPDialogue()
    try dialogue.beginIdling()
    dialogue.delete(10)
    try dialogue.expect("DONE", answering: "TAG OK")
    try dialogue.expect("UID STORE 10 +FLAGS.SILENT (\\Deleted)", answering: "TAG NO [READ-ONLY] no")
    #expect(dialogue.nextEvent() == .notDeleted("no"))
    #expect(dialogue.client() == ["IDLE"])
  }

  // MARK: Where reading goes on

  @Test func afterAReconnectNothingIsMissed() throws {
    var dialogue = IMAPDialogue(known: IMAPPosition(validity: 7, next: 8))
    try dialogue.server("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN IDLE] hello")
    try dialogue.expect("AUTHENTICATE PLAIN AGFubgBzZWNyZXQ=", answering: "TAG OK [CAPABILITY IMAP4rev1 IDLE] in")
    try dialogue.expect("SELECT INBOX", answering: "* OK [UIDVALIDITY 7] ok", "* OK [UIDNEXT 10] next", "TAG OK")
    #expect(dialogue.client() == ["UID FETCH 8:* \(IMAPDialogue.check)"])
  }

  @Test func anotherValidityStartsOver() throws {
    var dialogue = IMAPDialogue(known: IMAPPosition(validity: 6, next: 8))
    try dialogue.begin()
    #expect(dialogue.client() == ["IDLE"])
  }

  @Test func aServerThatDoesNotTellTheNextNumberIsAsked() throws {
    var dialogue = IMAPDialogue()
    try dialogue.server("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN IDLE] hello")
    try dialogue.expect("AUTHENTICATE PLAIN AGFubgBzZWNyZXQ=", answering: "TAG OK [CAPABILITY IMAP4rev1 IDLE] in")
    try dialogue.expect("SELECT INBOX", answering: "* 2 EXISTS", "* OK [UIDVALIDITY 7] ok", "TAG OK")
    try dialogue.expect("UID FETCH * (UID)", answering: "* 2 FETCH (UID 41)", "TAG OK")
    #expect(dialogue.nextEvent() == .ready(IMAPPosition(validity: 7, next: 42)))
  }

  // MARK: Servers that misbehave

  @Test(
    arguments: [
      "HTTP/1.1 400 Bad Request", "220 smtp.example.org ESMTP", "* BYE too many connections", "* NO go away",
      "\u{16}\u{3}\u{1}", String(repeating: "x", count: 200_000),
      "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hello\r\n* 1 FETCH (((((((((((((((((((((((1",
      "* 1 FETCH (BODY[] {99999999999}",
    ])
  func garbageIsASentence(text: String) throws {
    var dialogue = IMAPDialogue()
    #expect {
      try dialogue.server(text)
    } throws: { ("\($0)").hasPrefix("the IMAP server ") && $0 is MailError && "\($0)".utf8.count < 400 }
  }

  @Test func aSilentServerIsGivenUp() throws {
    var dialogue = IMAPDialogue()
    #expect { try dialogue.wait(.seconds(31)) } throws: { ($0 as? MailError)?.code == .silent }
  }

  @Test func aFloodOfMessagesIsBounded() throws {
    var dialogue = IMAPDialogue()
    try dialogue.beginIdling()
    #expect((10..<10_000 as Range<UInt32>).filter { dialogue.fetch($0) }.count == 256)
    try dialogue.expect("DONE", answering: "TAG OK")
    var fetched = 0
    while dialogue.client().first?.hasPrefix("UID FETCH") == true {
      fetched += 1
      try dialogue.server("\(dialogue.tag) OK gone")
    }
    #expect(fetched == 256)
    #expect(dialogue.nextEvent() == .missing(uid: 10))
  }
}
