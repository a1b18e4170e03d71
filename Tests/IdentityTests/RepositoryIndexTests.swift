import Datagrams
import FoundationEssentials
import Logging
import Testing

@testable import Identity

@Suite("The index by certificate id")
struct RepositoryIndexTests {
  /// With and without trust in the stamps of files that have just been written.
  private static let settlingTimes: [Duration] = [.zero, .seconds(2)]

  private func index(
    _ repository: ApplicationRepository, _ pattern: IdentityPattern = .any, settlingTime: Duration = .zero
  ) -> RepositoryIndex {
    RepositoryIndex(
      repository: repository, matching: pattern, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
      settlingTime: settlingTime)
  }

  private func put(_ repository: ApplicationRepository, _ name: String, key: Int = 1) throws -> CertificateID {
    try repository.put(
      Certificates.rsa(name, key: key == 1 ? Keys.first : Keys.second), as: "cert.crt", of: name)
    return try repository.peer(IdentityName(name)).certificateID
  }

  private func after(_ milliseconds: Int64) -> Instant { .zero.advanced(by: .milliseconds(milliseconds)) }

  @Test("Certificates that are added, replaced and removed count at once", arguments: settlingTimes)
  func followsTheFolder(_ settlingTime: Duration) throws {
    try withRepository { repository in
      let index = index(repository, settlingTime: settlingTime)
      let first = try put(repository, "a/x")
      #expect(index.peer(first, now: after(0))?.name.description == "a/x")

      let second = try put(repository, "b/y", key: 2)
      #expect(index.peer(second, now: after(1_000))?.name.description == "b/y")
      #expect(index.peer(first, now: after(1_000))?.name.description == "a/x")

      // The known one goes without any wait for the next sweep.
      try repository.remove("a/x")
      #expect(index.peer(first, now: after(1_000)) == nil)
      #expect(index.peer(second, now: after(1_000))?.name.description == "b/y")

      #expect(try put(repository, "b/y", key: 1) == first)
      #expect(index.peer(second, now: after(1_000)) == nil)
      #expect(index.peer(first, now: after(2_000))?.name.description == "b/y")

      try repository.put("garbage", as: "cert.crt", of: "b/y")
      #expect(index.peer(first, now: after(3_000)) == nil)
      #expect(try put(repository, "b/y", key: 1) == first)
      #expect(index.peer(first, now: after(4_000)) != nil)
    }
  }

  @Test("A flood of unknown ids does not sweep, and a new certificate is seen after the pause")
  func bearsFloods() throws {
    try withRepository { repository in
      let index = index(repository)
      let known = try put(repository, "a/x")
      #expect(index.peer(known, now: after(0)) != nil)
      let new = try put(repository, "b/y", key: 2)
      for _ in 0..<10_000 {
        let unknown = try #require(CertificateID(bytes: (0..<20).map { _ in UInt8.random(in: 0...255) }))
        #expect(index.peer(unknown, now: after(1)) == nil)
      }
      // Not there yet: so none of those looked into the folders.
      #expect(index.peer(new, now: after(1)) == nil)
      #expect(index.peer(known, now: after(1)) != nil)
      #expect(index.peer(new, now: after(60))?.name.description == "b/y")
    }
  }

  @Test("Only those whom the pattern means are known")
  func keepsToThePattern() throws {
    try withRepository { repository in
      let first = try put(repository, "a/x")
      let second = try put(repository, "b/y", key: 2)
      for (pattern, knowsFirst, knowsSecond) in [
        ("a", true, false), ("/y", false, true), ("a/x", true, false), ("a/y", false, false),
      ] {
        let index = index(repository, try IdentityPattern(pattern))
        #expect((index.peer(first, now: after(0)) != nil) == knowsFirst)
        #expect((index.peer(second, now: after(1_000)) != nil) == knowsSecond)
      }
    }
  }

  @Test("A key under two names is found under the first, and under the other when that goes", arguments: settlingTimes)
  func sameKeyTwice(_ settlingTime: Duration) throws {
    try withRepository { repository in
      let index = index(repository, settlingTime: settlingTime)
      let id = try put(repository, "b/x")
      #expect(try put(repository, "a/x") == id)
      #expect(index.peer(id, now: after(0))?.name.description == "a/x")
      try repository.remove("a/x")
      #expect(index.peer(id, now: after(0))?.name.description == "b/x")
      try repository.remove("b/x")
      #expect(index.peer(id, now: after(0)) == nil)
    }
  }

  @Test("An expired certificate is not known any more")
  func expires() throws {
    try withRepository { repository in
      let index = index(repository)
      let id = try put(repository, "a/x")
      #expect(index.peer(id, now: after(0), date: Date()) != nil)
      #expect(index.peer(id, now: after(0), date: Date() + 11 * 86_400) == nil)
      #expect(index.peer(id, now: after(0), date: Date()) != nil)
    }
  }

  @Test("A repository that goes away knows nobody, and comes back")
  func repositoryGone() throws {
    try withTemporaryFolder { folder in
      try FileManager.default.createDirectory(atPath: folder + "/repo", withIntermediateDirectories: false)
      let repository = try ApplicationRepository(path: folder + "/repo")
      let index = index(repository)
      let id = try put(repository, "a/x")
      #expect(index.peer(id, now: after(0)) != nil)
      try FileManager.default.moveItem(atPath: folder + "/repo", toPath: folder + "/away")
      #expect(index.peer(id, now: after(1_000)) == nil)
      try FileManager.default.moveItem(atPath: folder + "/away", toPath: folder + "/repo")
      #expect(index.peer(id, now: after(2_000)) != nil)
    }
  }
}
