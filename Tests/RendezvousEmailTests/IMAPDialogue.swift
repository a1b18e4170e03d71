import Datagrams
import Testing

@testable import RendezvousEmail

/// A session in virtual time whose server the test plays.
struct IMAPDialogue {
  private(set) var session: IMAPSession
  private(set) var now = Instant.zero
  private(set) var events: [IMAPSession.Event] = []
  /// What the client sent and nobody has looked at.
  private var sent = ""

  init(
    login: MailLogin = .test, known: IMAPPosition? = nil,
    configure: (inout IMAPSession.Configuration) -> Void = { _ in }
  ) {
    var configuration = IMAPSession.Configuration()
    configure(&configuration)
    session = IMAPSession(
      server: "the IMAP server", login: login, configuration: configuration, known: known, now: .zero)
  }

  /// Lets the server say lines, each ended by CR LF.
  mutating func server(_ lines: String...) throws { try raw(lines.map { $0 + "\r\n" }.joined()) }

  /// Lets the server say these very bytes, one at a time.
  mutating func raw(_ text: String) throws {
    for byte in text.utf8 {
      try session.receive([byte], now: now)
      drain()
    }
  }

  /// What the client has sent since this was asked last, without the tags.
  mutating func client() -> [String] {
    drain()
    defer { sent = "" }
    return sent.split(separator: "\r\n", omittingEmptySubsequences: false).dropLast().map { line in
      let words = line.split(separator: " ", maxSplits: 1)
      guard words.count == 2, words[0].first == "P", words[0].dropFirst().allSatisfy(\.isNumber) else {
        return String(line)
      }
      tag = String(words[0])
      return String(words[1])
    }
  }

  /// The tag of the command that was sent last.
  private(set) var tag = ""

  /// Expects one line of the client, and answers it.
  mutating func expect(
    _ line: String, answering: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let lines = client()
    #expect(lines == [line], sourceLocation: sourceLocation)
    try raw(answering.map { $0.replacing("TAG", with: tag) + "\r\n" }.joined())
  }

  /// Lets time pass.
  mutating func wait(_ duration: Duration) throws {
    let end = now.advanced(by: duration)
    while let deadline = session.pollTimeout(), deadline <= end {
      now = max(now, deadline)
      try session.handleTimeout(now: now)
      drain()
      // The rest is up to the caller, who must answer.
      if !sent.isEmpty { return }
    }
    now = end
  }

  @discardableResult mutating func fetch(_ uid: UInt32) -> Bool { session.fetch(uid, now: now) }
  mutating func delete(_ uid: UInt32) { session.delete(uid, now: now) }
  mutating func logOut() { session.logOut(now: now) }
  mutating func startedTLS() { session.startedTLS(now: now) }

  mutating func nextEvent() -> IMAPSession.Event? {
    drain()
    return events.isEmpty ? nil : events.removeFirst()
  }

  /// Up to the selected inbox whose next message is number 10.
  mutating func begin(_ capabilities: String = "IMAP4rev1 SASL-IR AUTH=PLAIN IDLE UIDPLUS") throws {
    try server("* OK [CAPABILITY \(capabilities)] hello")
    try expect(
      "AUTHENTICATE PLAIN AGFubgBzZWNyZXQ=", answering: "TAG OK [CAPABILITY \(capabilities)] welcome")
    try expect(
      "SELECT INBOX", answering: "* FLAGS (\\Seen \\Deleted)", "* 3 EXISTS", "* OK [UIDVALIDITY 7] ok",
      "* OK [UIDNEXT 10] next", "TAG OK [READ-WRITE] done")
    #expect(nextEvent() == .ready(IMAPPosition(validity: 7, next: 10)))
  }

  /// As ``begin(_:)``, up to where the server idles.
  mutating func beginIdling(_ capabilities: String = "IMAP4rev1 SASL-IR AUTH=PLAIN IDLE UIDPLUS") throws {
    try begin(capabilities)
    try expect("IDLE", answering: "+ idling")
  }

  private mutating func drain() {
    if let bytes = session.pollTransmit() { sent += String(decoding: bytes, as: UTF8.self) }
    while let event = session.pollEvent() { events.append(event) }
  }

  static let check =
    "(UID RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT IN-REPLY-TO MESSAGE-ID X-PLEXUS-SUBJECTS)])"
}

extension MailLogin {
  static let test = MailLogin(name: "ann", password: "secret", method: .automatic)
}
