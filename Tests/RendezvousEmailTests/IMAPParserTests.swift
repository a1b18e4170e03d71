import Testing

@testable import RendezvousEmail

@Suite struct IMAPParserTests {
  private static let session = [
    "* OK [CAPABILITY IMAP4rev1 IDLE] Dovecot {5}", "+ ", "* CAPABILITY IMAP4rev1 UIDPLUS", "* 12 EXISTS",
    "* 12 EXPUNGE",
    "* SEARCH 1 2 4294967295", "* SEARCH", "* LIST (\\HasNoChildren) \".\" {5}\r\nIN{3}", "",
    "* 12 FETCH (UID 5 FLAGS (\\Seen) RFC822.SIZE 44 BODY[HEADER.FIELDS (FROM {2}\r\nTO)] {12}\r\nFrom: a\r\n\r\n) BODY[]<0> NIL)",
    "* 1 FETCH (ENVELOPE (NIL \"a \\\" b\" (NIL)) BODY[] ~{3}\r\n\u{0}\r\n UID 6)", "* OK [UIDNEXT 7] x",
    "* NO [ALERT] {2}",
    "P1 OK [READ-WRITE] done {1}", "P2 NO [AUTHENTICATIONFAILED] no", "P3 BAD what",
  ].map { $0 + "\r\n" }.joined()

  private static let expected: [IMAPResponse] = [
    .status(IMAPStatus(kind: .ok, code: .capability(["IMAP4REV1", "IDLE"]), text: "Dovecot {5}")), .continuation(""),
    .capability(["IMAP4REV1", "UIDPLUS"]), .exists(12), .other, .search([1, 2, .max]), .search([]), .other, .other,
    .fetch(IMAPFetch(uid: 5, size: 44, header: .bytes(Array("From: a\r\n\r\n)".utf8)))),
    .fetch(IMAPFetch(uid: 6, body: .bytes(Array("\u{0}\r\n".utf8)))),
    .status(IMAPStatus(kind: .ok, code: .uidNext(7), text: "x")),
    .status(IMAPStatus(kind: .no, code: .other("ALERT"), text: "{2}")),
    .tagged(tag: "P1", IMAPStatus(kind: .ok, code: .other("READ-WRITE"), text: "done {1}")),
    .tagged(tag: "P2", IMAPStatus(kind: .no, code: .other("AUTHENTICATIONFAILED"), text: "no")),
    .tagged(tag: "P3", IMAPStatus(kind: .bad, code: nil, text: "what")),
  ]

  private func parse(_ bytes: [UInt8], inPiecesOf size: Int) throws -> [IMAPResponse] {
    var parser = IMAPResponseParser()
    var responses: [IMAPResponse] = []
    for start in stride(from: 0, to: bytes.count, by: size) {
      parser.append(bytes[start..<min(start + size, bytes.count)])
      while let response = try parser.next() { responses.append(response) }
    }
    #expect(parser.isEmpty)
    return responses
  }

  @Test(arguments: [1, 2, 3, 5, 7, 11, 64, 10_000])
  func responsesAreTheSameHoweverTheyAreSplit(size: Int) throws {
    let responses = try parse(Array(Self.session.utf8), inPiecesOf: size)
    for (response, expected) in zip(responses, Self.expected) { #expect(response == expected) }
    #expect(responses.count == Self.expected.count)
  }

  @Test func aLiteralThatIsTooLongIsCountedAndThrownAway() throws {
    let length = IMAPResponseParser.literalLimit + 1
    var bytes = Array("* 1 FETCH (UID 3 BODY[] {\(length)}\r\n".utf8)
    bytes += [UInt8](repeating: 0x29, count: length)
    bytes += Array(")\r\n* 2 EXISTS\r\n".utf8)
    for size in [1, 4096, bytes.count] {
      let responses = try parse(bytes, inPiecesOf: size)
      #expect(responses == [.fetch(IMAPFetch(uid: 3, body: .oversized(length))), .exists(2)])
    }
  }

  @Test func manyLiteralsInOneResponseAreBounded() throws {
    let literal = "{60000}\r\n" + String(repeating: "x", count: 60_000)
    let whole = "* 1 FETCH (UID 3 " + (1...6).map { "X\($0) \(literal) " }.joined() + "BODY[] {1}\r\ny)\r\n"
    #expect(
      try parse(Array(whole.utf8), inPiecesOf: 1000) == [.fetch(IMAPFetch(uid: 3, body: .bytes([0x79])))])
    let many = "* 1 FETCH (" + String(repeating: "{0}\r\n ", count: 300)
    #expect(throws: IMAPSyntaxError.self) { try parse(Array(many.utf8), inPiecesOf: 1000) }
  }
}
