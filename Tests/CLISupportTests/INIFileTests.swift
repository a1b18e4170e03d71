import CLISupport
import Testing

@Suite struct INIFileTests {
  @Test func settingsCommentsAndSectionsAreRead() throws {
    let file = try INIFile(
      parsing: "# a comment\r\n app-id = tunnel \n\n; another\n[section]\nname=value = with equals\nempty =\n")
    #expect(
      file.entries == [
        .init(name: "app-id", value: "tunnel", line: 2),
        .init(name: "section.name", value: "value = with equals", line: 6),
        .init(name: "section.empty", value: "", line: 7),
      ])
  }

  @Test(arguments: [("\"a b\"", "a b"), ("'a'", "a"), ("\"a\" \"b\"", "\"a\" \"b\""), ("\"", "\""), ("it's", "it's")])
  func onlyAValueQuotedAsAWholeLosesItsQuotes(text: String, value: String) throws {
    #expect(try INIFile(parsing: "name = \(text)").entries.first?.value == value)
  }

  @Test(arguments: ["word", "= value", "[section", "[]", " \n\nno equals"])
  func aBadLineIsNamed(text: String) {
    #expect(throws: INIError.self) { try INIFile(parsing: text) }
  }

  @Test func aByteOrderMarkIsNoPartOfTheFirstName() throws {
    #expect(try INIFile(parsing: "\u{FEFF}app-id = tunnel").entries.first?.name == "app-id")
  }

  @Test func theLineNumberCountsFromOne() {
    #expect { try INIFile(parsing: "a = b\nbroken\n") } throws: { ($0 as? INIError)?.line == 2 }
  }
}
