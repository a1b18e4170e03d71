import Testing

@testable import CLISupport

@Suite struct CommandFailureTests {
  @Test func aLineIsShownWhole() {
    #expect(fitForATerminal("there is no file café 😀") == "there is no file café 😀")
    #expect(fitForATerminal("two\r\nlines") == "two lines")
  }

  @Test(arguments: ["\u{0}", "\u{1B}", "\u{7F}", "\u{9B}"])
  func controlCharactersAreShownAndNotObeyed(character: String) {
    let line = fitForATerminal("a\(character)b")
    #expect(line.hasPrefix("a\\") && line.hasSuffix("b") && !line.contains(character), "\(line)")
  }
}
