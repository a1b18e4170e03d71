import Testing

@testable import Plexus

@Suite struct ShellWordsTests {
  @Test(
    arguments: [
      ("", []), ("  ", []), ("a b\tc", ["a", "b", "c"]), ("'a b' c", ["a b", "c"]),
      (#""a \"b\" \n" c"#, [#"a "b" \n"#, "c"]),
      (#"a\ b"#, ["a b"]), (#"'' """#, ["", ""]), (#"a'b'"c""#, ["abc"]), (#"'\'"#, [#"\"#]),
    ] as [(String, [String])])
  func wordsAreSplitLikeAShellDoes(text: String, words: [String]) throws {
    #expect(try shellWords(text) == words)
  }

  @Test(arguments: ["'open", "\"open", "end\\"])
  func anUnfinishedTextIsRefused(text: String) {
    #expect(throws: PlexusError.self) { try shellWords(text) }
  }
}
