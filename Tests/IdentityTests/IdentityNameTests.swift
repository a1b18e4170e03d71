import FoundationEssentials
import Testing

@testable import Identity

@Suite("Names and patterns")
struct IdentityNameTests {
  @Test("A name has two halves", arguments: ["alice@lab.net/a", "a/b", "Jürgen/büro pc", "a/...", "-/-"])
  func readsNames(_ text: String) throws {
    #expect(try IdentityName(text).description == text)
  }

  @Test(
    "A name that could lead elsewhere is refused",
    arguments: [
      "", "/", "a", "a/", "/b", "../b", "a/..", "./b", "a/.", "a/b/c", "/a/b", "a//b", "a/b/", "a\0/b", "a/b\n",
      "a/\u{1b}[2J", "a/\u{2028}", "a/\u{301}/b", String(repeating: "x", count: 256) + "/b",
      "a/" + String(repeating: "ü", count: 128),
    ])
  func refusesNames(_ text: String) {
    #expect(code { _ = try IdentityName(text) } == .badName)
  }

  @Test("A slash with a combining mark is still a slash")
  func combiningSlash() throws {
    let name = try IdentityName("a/\u{301}b")
    #expect(name.owner == "a")
    #expect(name.pin == "\u{301}b")
    #expect(code { _ = try IdentityName(owner: "a/\u{301}..", pin: "b") } == .badName)
  }

  @Test("Names of 255 bytes are taken")
  func longNames() throws {
    let half = String(repeating: "x", count: 255)
    #expect(try IdentityName("\(half)/\(half)").owner == half)
  }

  @Test("An error shows no control characters")
  func errorIsPrintable() {
    let error = #expect(throws: IdentityError.self) { try IdentityName("a/\u{1b}[2J") }
    #expect(error?.description.utf8.contains(0x1b) == false)
  }

  @Test("Names sort by owner, then by pin")
  func sorts() throws {
    let names = try ["b/a", "a/c", "a/b", "a b/a"].map { try IdentityName($0) }.sorted()
    #expect(names.map(\.description) == ["a/b", "a/c", "a b/a", "b/a"])
  }

  @Test("A name is coded as text, and checked when decoded")
  func codes() throws {
    let name = try IdentityName("alice@lab.net/a")
    let json = try JSONEncoder().encode([name])
    #expect(try JSONDecoder().decode([IdentityName].self, from: json) == [name])
    #expect(throws: (any Error).self) {
      try JSONDecoder().decode([IdentityName].self, from: Data(#"["../../etc"]"#.utf8))
    }
  }

  @Test(
    "A pattern names either half or both",
    arguments: [
      ("a/b", "a/b", true), ("a/b", "a/c", false), ("a/b", "c/b", false), ("a", "a/b", true), ("a/", "a/c", true),
      ("a/", "b/c", false), ("/b", "a/b", true), ("/b", "a/a", false),
    ])
  func matches(_ pattern: String, _ name: String, _ expected: Bool) throws {
    #expect(try IdentityPattern(pattern).matches(IdentityName(name)) == expected)
    #expect(try IdentityPattern.any.matches(IdentityName(name)))
  }

  @Test("Only a whole pattern names one identity")
  func exactNames() throws {
    #expect(try IdentityPattern("a/b").exactName == IdentityName("a/b"))
    #expect(try IdentityPattern(IdentityName("a/b")) == IdentityPattern("a/b"))
    #expect(try IdentityPattern("a").exactName == nil)
    #expect(IdentityPattern.any.exactName == nil)
  }

  @Test("A pattern reads what it writes", arguments: ["a/b", "a/", "/b"])
  func roundTrips(_ text: String) throws {
    #expect(try IdentityPattern(text).description == text)
  }

  @Test(
    "A pattern that could lead elsewhere is refused", arguments: ["", "/", "..", "../", "/..", "a/b/c", "a\n", "./a"])
  func refusesPatterns(_ text: String) {
    #expect(code { _ = try IdentityPattern(text) } == .badName)
  }

  @Test("A certificate id is 40 hexadecimal digits")
  func certificateIDs() {
    let text = "632db6b7675767977d56b3dacbb9d35e7edef40a"
    #expect(CertificateID(text)?.description == text)
    #expect(CertificateID(text.uppercased()) == CertificateID(text))
    for bad in [
      "", "63", text + "00", String(text.dropLast()) + "g", String(text.dropLast()) + "é", "+" + text.dropFirst(),
    ] {
      #expect(CertificateID(bad) == nil)
    }
    #expect(CertificateID(bytes: [1, 2, 3]) == nil)
  }
}
