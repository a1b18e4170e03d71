import Datagrams
import Rendezvous
import Testing

@Suite("The reference line")
struct ReferenceTests {
  @Test("A line is read and written as the reference does")
  func roundTrip() throws {
    let reference = try Reference(line: "PLEXUS 3.0 198.51.100.7 40000 18446744073709551615")
    #expect(reference.endpoint == Endpoint("198.51.100.7:40000"))
    #expect(reference.puzzle == .max)
    #expect(reference.line == "PLEXUS 3.0 198.51.100.7 40000 18446744073709551615")
  }

  @Test("White space around and between the fields does not matter")
  func whiteSpace() throws {
    let reference = try Reference(line: " \r\n\tPLEXUS  3.0\t2001:db8::1 1 0 \r\n")
    #expect(reference.line == "PLEXUS 3.0 2001:db8::1 1 0")
  }

  @Test(
    "What is no usable reference is refused, and why",
    arguments: [
      ("", .notAReference), ("PLEXUS", .notAReference), ("plexus 3.0 198.51.100.7 1 1", .notAReference),
      ("PLEXUS 3.0 198.51.100.7 1", .notAReference), ("PLEXUS 3.0 198.51.100.7 1 1 1", .notAReference),
      ("PLEXUS 3.3 198.51.100.7 1 1", .unknownVersion), ("PLEXUS 4 x", .unknownVersion),
      ("PLEXUS 3.0 198.51.100.7 0 1", .badEndpoint), ("PLEXUS 3.0 198.51.100.7 65536 1", .badEndpoint),
      ("PLEXUS 3.0 198.51.100.7 +1 1", .badEndpoint), ("PLEXUS 3.0 host.example 1 1", .badEndpoint),
      ("PLEXUS 3.0 0.0.0.0 0 0", .badEndpoint), ("PLEXUS 3.0 0.0.0.0 1 1", .badEndpoint),
      ("PLEXUS 3.0 224.0.0.1 1 1", .badEndpoint), ("PLEXUS 3.0 255.255.255.255 1 1", .badEndpoint),
      ("PLEXUS 3.0 ff02::1 1 1", .badEndpoint), ("PLEXUS 3.0 ::ffff:224.0.0.1 1 1", .badEndpoint),
      ("PLEXUS 3.0 198.51.100.7 1 -1", .badPuzzle), ("PLEXUS 3.0 198.51.100.7 1 18446744073709551616", .badPuzzle),
      ("PLEXUS 3.0 198.51.100.7 1 \u{0661}", .badPuzzle), (String(repeating: " ", count: 2000), .tooLong),
    ] as [(String, ReferenceError)])
  func refused(_ line: String, _ error: ReferenceError) {
    #expect(throws: error) { try Reference(line: line) }
  }

  @Test("Both sides get the same secret")
  func secret() throws {
    let one = try Reference(line: "PLEXUS 3.0 198.51.100.7 1 12")
    let other = try Reference(line: "PLEXUS 3.0 198.51.100.8 1 10")
    #expect(one.secret(with: other) == 6)
    #expect(other.secret(with: one) == 6)
  }

  @Test("The puzzle is not shown where a reference is printed")
  func noSecretInText() throws {
    let reference = try Reference(line: "PLEXUS 3.0 198.51.100.7 1 1234567890123")
    var dumped = ""
    dump(reference, to: &dumped)
    for text in ["\(reference)", String(reflecting: reference), dumped] { #expect(!text.contains("1234567890123")) }
  }

  @Test("The environment changes the words, and an empty one does not")
  func subjects() {
    let subjects = MessageSubjects(environment: ["PLEXUS_INVITE_TOKEN": "call", "PLEXUS_ACCEPT_TOKEN": ""])
    #expect(subjects == MessageSubjects(invite: "call"))
  }

  @Test(
    "A decline is read and written",
    arguments: [.symmetricNAT, .noSTUNAnswer, .busy, .other("tired")] as [DeclineReason])
  func decline(_ reason: DeclineReason) {
    let notice = DeclineNotice(reason: reason, puzzle: 5)
    #expect(DeclineNotice(line: notice.line) == notice)
  }

  @Test(
    "What is no decline is refused",
    arguments: [
      "", "PLEXUS-DECLINE 2 busy 1", "PLEXUS-DECLINE 1 busy", "PLEXUS-DECLINE 1 \u{1B}[31m 1",
      "PLEXUS-DECLINE 1 busy -1",
    ])
  func noDecline(_ line: String) {
    #expect(DeclineNotice(line: line) == nil)
  }
}
