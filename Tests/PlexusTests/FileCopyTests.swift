import FoundationEssentials
import Identity
import NIOCore
import Plexus
import PlexusTesting
import Testing

@testable import filecopy

/// What the example that takes files does with a peer that means harm.
@Suite(.timeLimit(.minutes(2))) struct FileCopyTests {
  private static let refused = [
    "../x", "/tmp/x", "..", ".", "", ".hidden", "a/b", "a\0b", String(repeating: "x", count: 256), "there",
  ]

  @Test func noNameLeadsOutOfTheFolderOrOverWhatIsThere() async throws {
    try await whileReceiving { folder, offer in
      try Data("mine".utf8).write(to: URL(fileURLWithPath: "\(folder)/there"))
      for name in Self.refused {
        let answers = try await offer(JSONEncoder().encode(Offer(name: name, size: 1)), nil)
        #expect(answers.count == 1 && answers.first != "ok", "\(name): \(answers)")
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["there"])
      #expect(try FileManager.default.contentsOfDirectory(atPath: "\(folder)/..") == ["in"])
      #expect(try Data(contentsOf: URL(fileURLWithPath: "\(folder)/there")) == Data("mine".utf8))
    }
  }

  @Test func whatIsTooLargeOrNoOfferIsRefused() async throws {
    try await whileReceiving { _, offer in
      for text in [#"{"name":"a","size":101}"#, #"{"name":"a","size":-1}"#, #"{"name":"a"}"#, "", "[[[["] {
        let answers = try await offer(Data(text.utf8), nil)
        #expect(answers.count == 1 && answers.first != "ok", "\(text): \(answers)")
      }
    }
  }

  @Test func whatDoesNotHaveItsHashIsNotKept() async throws {
    try await whileReceiving { folder, offer in
      let answers = try await offer(
        JSONEncoder().encode(Offer(name: "a", size: 3)),
        ByteBuffer(bytes: Array("abc".utf8) + Array(repeating: 0, count: 32)))
      #expect(answers == ["ok", "what arrived is not what was sent"])
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
    }
  }

  /// Runs `body` with the folder of a receiver, and what makes it an offer over a new stream and gives its answers.
  private func whileReceiving(
    _ body:
      @Sendable @escaping (
        _ folder: String, _ offer: @Sendable (_ text: Data, _ contents: ByteBuffer?) async throws -> [String]
      ) async throws -> Void
  ) async throws {
    try await World.run { world in
      let folder = "\(world.folder)/files/in"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      let receiver = try Receiver(folder: folder, largest: 100)
      let receive: @Sendable (Passage) async throws -> Void = { passage in
        let stream = try await passage.openStream()
        try? await receiver.receive(over: stream)
        await stream.close()
      }
      try await world.whileBobAccepts(world.plexus(World.bob), perform: receive) {
        let alice = try world.plexus(World.alice)
        try await body(folder) { text, contents in
          let stream = try await alice.invite(IdentityName(World.bob)).openStream()
          try await stream.write(text: String(decoding: text, as: UTF8.self))
          if let contents { try await stream.write(contents) }
          var portions = Portions(stream)
          var answers: [String] = []
          while let answer = try await portions.nextText() { answers.append(answer) }
          await stream.close()
          return answers
        }
      }
    }
  }
}
