import Testing

@testable import Identity

@Test(
  "A command that we advise can be pasted into a shell",
  arguments: [
    ("alice@lab.net/a", "alice@lab.net/a"), ("bob/b c", "'bob/b c'"), ("o'neil/x", #"'o'\''neil/x'"#),
    ("a/$(id)", "'a/$(id)'"), ("", "''"), ("ü/b", "'ü/b'"),
  ])
func quotesForTheShell(_ text: String, _ quoted: String) {
  #expect(shellQuoted(text) == quoted)
}
