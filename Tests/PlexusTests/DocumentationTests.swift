import FoundationEssentials
import Testing

/// The program that people read first is the one that is compiled.
@Test(arguments: ["README.md", "Sources/Plexus/Plexus.docc/FromNothingToAChat.md"])
func theSmallestProgramIsShownAsItIs(_ page: String) throws {
  let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  func text(_ path: String) throws -> String {
    try String(decoding: Data(contentsOf: root.appendingPathComponent(path)), as: UTF8.self)
  }
  #expect(try text(page).contains("```swift\n\(text("examples/hello/Hello.swift"))```"))
}
