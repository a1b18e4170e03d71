import Foundation
import Testing

/// The command line is a program like any other: it has what `import Plexus` gives, and what command lines share.
@Suite struct FacadeTests {
  private static let allowed: Set<Substring> = [
    "ArgumentParser", "BuildInformation", "CLISupport", "FoundationEssentials", "LibC", "Logging", "Plexus",
  ]

  @Test func theCommandLineUsesTheFacadeAlone() throws {
    let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../Sources/PlexusCLI").standardized
    let files = try #require(FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil))
    var count = 0
    for case let file as URL in files where file.pathExtension == "swift" {
      let imports = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
        .filter { $0.hasPrefix("import ") }.compactMap { $0.split(separator: " ").last }
      #expect(Set(imports).isSubset(of: Self.allowed), "\(file.lastPathComponent): \(imports)")
      count += 1
    }
    #expect(count > 20)
  }
}
