import Foundation
import Identity
import PlexusTesting
import Testing

@testable import HolePunching
@testable import Plexus

/// What failed is remembered, and no more than that.
@Suite(.timeLimit(.minutes(2))) struct FailureMemoryTests {
  private static func failure(_ number: Int, _ text: String = "") throws -> FailedPassage {
    FailedPassage(
      PlexusError(.unanswered, "failure \(number)\(text)", advice: "try again"),
      with: try IdentityName("bob@example.org/lab"), as: .inviting, at: Date(timeIntervalSince1970: Double(number)))
  }

  private func withMemory(_ body: (FailureMemory, String) throws -> Void) async throws {
    try await withTemporaryFolder { folder in
      let own = try #require(CertificateID(String(repeating: "ab", count: 20)))
      try body(FailureMemory(folder: "\(folder)/state", own: own), "\(folder)/state/failures-\(own)")
    }
  }

  @Test func theLastFiftyAreKept() async throws {
    try await withMemory { memory, path in
      #expect(memory.entries().isEmpty)
      #expect(!FileManager.default.fileExists(atPath: path))
      for number in 1...60 { memory.add(try Self.failure(number)) }
      #expect(memory.entries().map(\.message) == (11...60).map { "failure \($0)" })
      let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
      #expect(mode == 0o600)
    }
  }

  @Test func linesThatAreNoneAreSkippedAndReplaced() async throws {
    try await withMemory { memory, path in
      memory.add(try Self.failure(1))
      let whole = try Data(contentsOf: URL(fileURLWithPath: path))
      let garbage = Data("\n{}\n\u{0}\u{1}\n{\"time\":1}\n".utf8) + whole + Data("{\"time\":".utf8)
      try (Data(repeating: 0x78, count: 2_000_000) + garbage).write(to: URL(fileURLWithPath: path))
      #expect(memory.entries() == [try Self.failure(1)])
      memory.add(try Self.failure(2))
      #expect(memory.entries().map(\.message) == ["failure 1", "failure 2"])
      #expect(try Data(contentsOf: URL(fileURLWithPath: path)).count < 2000)
    }
  }

  @Test func aLongSentenceIsCutAndAFolderThatCannotBeMadeIsNoFailure() async throws {
    try await withMemory { memory, path in
      memory.add(try Self.failure(1, String(repeating: "x", count: 100_000)))
      #expect(memory.entries().first?.message.count == 1000)
    }
    let own = try #require(CertificateID(String(repeating: "ab", count: 20)))
    let nowhere = FailureMemory(folder: "/dev/null/state", own: own)
    nowhere.add(try Self.failure(1))
    #expect(nowhere.entries().isEmpty)
  }

  @Test func anInvitationThatFailsIsRemembered() async throws {
    try await World.run { world in
      let alice = try world.plexus(World.alice) { $0.responseTimeout = .milliseconds(200) }
      _ = try? await alice.invite(IdentityName(World.bob))
      let failure = try #require(alice.failedPassages().first)
      #expect(failure.peer.description == World.bob && failure.role == .inviting && failure.code == .unanswered)
      #expect(failure.sentence.contains("did not answer"))
    }
  }

  @Test func aFailedSearchTellsBothNetworks() throws {
    let failure = PathFailure(
      code: .bothSymmetric, duration: .seconds(15), pairs: 1, counters: CheckCounters(),
      ownTraits: NATTraits(mapping: .endpointDependent, allocation: .random),
      peerTraits: NATTraits(mapping: .endpointDependent, allocation: .sequential(step: 1)))
    let kept = FailedPassage(
      PlexusError(failure), with: try IdentityName("bob@example.org/lab"), as: .accepting,
      at: Date(timeIntervalSince1970: 1_700_000_000))
    let json = try JSONEncoder().encode(kept)
    #expect(try JSONDecoder().decode(FailedPassage.self, from: json) == kept)
    let object = try #require(try JSONSerialization.jsonObject(with: json) as? [String: Any])
    #expect(object["time"] as? String == "2023-11-14T22:13:20Z" && object["code"] as? String == "symmetricNAT")
    #expect(object["ownTraits"] as? String == "symmetric/unknown/random")
    #expect(object["peerTraits"] as? String == "symmetric/unknown/sequential+1")
  }
}
