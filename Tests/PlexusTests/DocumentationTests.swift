import Foundation
import Plexus
import Testing

/// The program that people read first is the one that is compiled.
@Test(arguments: ["README.md", Tutorial.page])
func theSmallestProgramIsShownAsItIs(_ page: String) throws {
  #expect(try Tutorial.text(page).contains("```swift\n\(Tutorial.text("examples/hello/Hello.swift"))```"))
}

/// So is every other piece of Swift in the tutorial: it stands below, or in `examples`, as it is shown.
@Test func theTutorialIsCompiled() throws {
  let compiled = try [Tutorial.text("examples/hello/Hello.swift"), String(contentsOfFile: #filePath, encoding: .utf8)]
  let blocks = try Tutorial.swiftBlocks()
  #expect(blocks.count == 5)
  for block in blocks {
    if block.hasPrefix("// swift-tools-version") {
      try Tutorial.expectManifest(block)
    } else {
      let body = block.split(separator: "\n", omittingEmptySubsequences: false).drop { $0.hasPrefix("import ") }
        .joined(separator: "\n")
      #expect(compiled.contains { $0.contains(body) }, "not compiled anywhere: \(block)")
    }
  }
}

private enum Tutorial {
  static let page = "Sources/Plexus/Plexus.docc/FromNothingToAChat.md"

  static func text(_ path: String) throws -> String {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    return try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
  }

  /// What stands between the fences, with the last line's end.
  static func swiftBlocks() throws -> [String] {
    try text(page).components(separatedBy: "```swift\n").dropFirst().compactMap {
      $0.components(separatedBy: "```").first
    }
  }

  /// A manifest is compiled by the package manager alone; what it says of this package has to fit the package's own.
  static func expectManifest(_ block: String) throws {
    let own = try text("Package.swift")
    let version = try #require(block.split(separator: "\n").first)
    #expect(own.hasPrefix(version))
    #expect(block.contains(".product(name: \"Plexus\", package: \"plexus\")"))
    #expect(own.contains("name: \"plexus\"") && own.contains(".library(name: \"Plexus\""))
  }
}

/// The tutorial's program as it is after all changes.
private struct Hello {
  static func run(stun: String, peer: String?) async throws {
    var configuration = PlexusConfiguration(
      application: "hello", stunServers: [HostAndPort(host: stun, port: nil)])
    configuration.dht.bootstrap = [HostAndPort(host: stun, port: nil)]
    let plexus = try Plexus(
      repository: ApplicationRepository(path: "identities"), host: nil, configuration: configuration,
      logger: Logger(label: "hello"))
    if let peer {
      try await chat(over: plexus.invite(IdentityName(peer)).openStream())
    } else {
      for try await passage in plexus.accept() { return try await chat(over: passage.openStream()) }
    }
  }
}

/// Sends what is typed and prints what comes, until one of the two ends.
func chat(over stream: PassageStream) async throws {
  try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask { for try await bytes in stream { print(String(buffer: bytes), terminator: "") } }
    group.addTask { for await line in typedLines() { try await stream.write(line) } }
    // Whoever ends first ends both.
    try await group.next()
    group.cancelAll()
  }
  await stream.close()
}

/// The lines that are typed. Waiting for them blocks, so they have a thread of their own.
func typedLines() -> AsyncStream<ByteBuffer> {
  AsyncStream { lines in
    Thread.detachNewThread {
      while case let line = FileHandle.standardInput.availableData, !line.isEmpty {
        lines.yield(ByteBuffer(bytes: line))
      }
      lines.finish()
    }
  }
}
