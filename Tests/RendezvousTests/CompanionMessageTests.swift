import Datagrams
import Identity
import Rendezvous
import Testing

@Suite("The companion of a reference line")
struct CompanionMessageTests {
  private static let now: UInt64 = 1_800_000_000

  private func binding(
    from sender: UInt8 = 1, to recipient: UInt8 = 2, _ application: String = "app", invite: UInt64? = 7
  ) throws -> CompanionMessage.Binding {
    CompanionMessage.Binding(
      sender: try #require(CertificateID(bytes: Array(repeating: sender, count: 20))),
      recipient: try #require(CertificateID(bytes: Array(repeating: recipient, count: 20))), application: application,
      invite: invite)
  }

  private func sent(_ kind: CompanionMessage.Kind = .invite, _ supplement: String = "{\"v\":1}") throws -> String {
    let reference = try Reference(line: "PLEXUS 3.0 198.51.100.7 40000 99").with(.text(supplement))
    return try #require(CompanionMessage(kind, binding: binding(), time: Self.now, reference: reference).text)
  }

  @Test("It reads as it was written", arguments: [CompanionMessage.Kind.invite, .accept(question: .max)])
  func roundTrip(_ kind: CompanionMessage.Kind) throws {
    let message = try CompanionMessage(
      text: sent(kind, "\"\\ and a line\n"), kind: kind, binding: binding(), now: Self.now + 600)
    #expect(message.reference.supplement == .text("\"\\ and a line\n"))
    #expect(message.reference.endpoint == Endpoint("198.51.100.7:40000"))
    #expect(message.reference.puzzle == 99)
  }

  @Test("What was bound to other parties, another application, invite or question is refused")
  func bound() throws {
    for other in [
      try binding(from: 3), try binding(to: 3), try binding("other"), try binding(invite: 8), try binding(invite: nil),
    ] {
      #expect(throws: CompanionError.boundElsewhere) {
        try CompanionMessage(text: sent(), kind: .invite, binding: other, now: Self.now)
      }
    }
    for kind in [CompanionMessage.Kind.invite, .accept(question: 6)] {
      #expect(throws: CompanionError.boundElsewhere) {
        try CompanionMessage(text: sent(.accept(question: 5)), kind: kind, binding: binding(), now: Self.now)
      }
    }
  }

  @Test("What is old, or of the future, is refused", arguments: [-901, 901] as [Int64])
  func stale(_ offset: Int64) throws {
    #expect(throws: CompanionError.stale) {
      try CompanionMessage(
        text: sent(), kind: .invite, binding: binding(), now: UInt64(Int64(Self.now) + offset))
    }
  }

  @Test("What is too long, cut or no companion is refused")
  func malformed() throws {
    let text = try sent()
    for length in [0, 1, text.utf8.count / 2, text.utf8.count - 1] {
      #expect(throws: CompanionError.malformed) {
        try CompanionMessage(
          text: String(text.prefix(length)), kind: .invite, binding: binding(), now: Self.now)
      }
    }
    #expect(throws: CompanionError.malformed) {
      try CompanionMessage(
        text: String(repeating: "[", count: 100_000), kind: .invite, binding: binding(), now: Self.now)
    }
    let long = String(repeating: "x", count: Supplement.lengthAtMost + 1)
    let reference = try Reference(line: "PLEXUS 3.0 198.51.100.7 40000 99").with(.text(long))
    #expect(try CompanionMessage(.invite, binding: binding(), time: Self.now, reference: reference).text == nil)
  }

  @Test("The mark is white space that no other line ends with")
  func mark() throws {
    let line = "PLEXUS 3.0 198.51.100.7 40000 99"
    for text in ["\(line) \t ", "\(line) \t \r\n", " \(line) \t "] {
      #expect(try Reference(line: text).supplement == .missing)
    }
    for text in [line, "\(line)\r\n", "\(line) ", "\(line)\t", "\(line)\t ", "\(line)  \t "] {
      #expect(try Reference(line: text).supplement == .unsupported)
    }
    for text in ["\(line) \t ", "\(line) \t \t "] { #expect(try Reference(line: text).line == text) }
    #expect(try Reference(line: "\(line) \t \t ").offersSecureStream)
    #expect(try !Reference(line: "\(line) \t ").offersSecureStream)
  }
}
