import FoundationEssentials
import Testing

@testable import Identity

@Suite("New identities")
struct CreationTests {
  private func mode(_ path: String) throws -> UInt32 { try FileStamp(path: path).mode & 0o777 }

  @Test("A new identity reads back whole")
  func readsBack() throws {
    try withRepository { repository in
      let name = try IdentityName("alice@lab.net/a")
      let made = try repository.create(name, key: Keys.first)
      let own = try repository.ownIdentity(name)
      #expect(own.identity == made.identity)
      #expect(own.privateKeyPEM == made.privateKeyPEM)
      #expect(own.privateKeyPEM.hasPrefix("-----BEGIN PRIVATE KEY-----"))
      #expect(own.certificatePEM == made.certificatePEM)
      #expect(own.permissionsWarning == nil)
      #expect(own.caCertificateDER == nil)
      #expect(own.identity.keyBits == 2048)
      #expect(own.identity.subject == "CN=a,O=alice@lab.net")
      #expect(try repository.peer(name) == own.identity)
      #expect(try repository.ownIdentities() == [own.identity])
    }
  }

  @Test("Only the owner can read the private key and the folders")
  func modes() throws {
    try withRepository { repository in
      let name = try IdentityName("alice@lab.net/a")
      _ = try repository.create(name, key: Keys.first)
      #expect(try mode(repository.keyPath(name)) == 0o600)
      #expect(try mode(repository.folder(name)) == 0o700)
      #expect(try mode(repository.path + "/alice@lab.net") == 0o700)
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: repository.folder(name)).sorted() == [
          "cert.crt", "private.key",
        ])
      #expect(try FileManager.default.contentsOfDirectory(atPath: repository.path + "/alice@lab.net") == ["a"])
    }
  }

  @Test("A private key is made of its own by default")
  func makesAKey() throws {
    try withRepository { repository in
      let own = try repository.create(IdentityName("a/b"), options: .init(bits: 2048, days: 1))
      #expect(own.identity.notValidAfter < Date() + 86_400 + 60)
      #expect(own.identity.notValidBefore < Date() - 86_000)
    }
  }

  @Test("A new identity overwrites nothing")
  func neverOverwrites() throws {
    try withRepository { repository in
      let name = try IdentityName("alice@lab.net/a")
      let first = try repository.create(name, key: Keys.first)
      #expect(code { _ = try repository.create(name, key: Keys.second) } == .alreadyExists)
      #expect(try repository.ownIdentity(name).privateKeyPEM == first.privateKeyPEM)

      try repository.put("precious", as: "notes", of: "alice@lab.net/b")
      #expect(code { _ = try repository.create(IdentityName("alice@lab.net/b"), key: Keys.second) } == .alreadyExists)
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: repository.path + "/alice@lab.net").sorted() == [
          "a", "b",
        ])
    }
  }

  @Test("Sizes and times that make no sense are refused", arguments: [(1024, 1), (2049, 1), (2048, 0), (2048, 36_501)])
  func refusesOptions(_ bits: Int, _ days: Int) throws {
    try withRepository { repository in
      let options = NewIdentityOptions(bits: bits, days: days)
      #expect(code { _ = try repository.create(IdentityName("a/b"), options: options) } == .badOption)
    }
  }

  @Test("No description of an own identity shows its key")
  func hidesTheKey() throws {
    try withRepository { repository in
      let own = try repository.create(IdentityName("a/b"), key: Keys.first)
      var dumped = ""
      dump(own, to: &dumped)
      for text in ["\(own)", String(reflecting: own), dumped] {
        #expect(!text.contains("PRIVATE KEY"))
      }
    }
  }

  @Test("A missing repository, or a file in its place, is refused")
  func missingRepository() throws {
    try withTemporaryFolder { folder in
      #expect(code { _ = try ApplicationRepository(path: folder + "/none") } == .repositoryUnusable)
      try Data().write(to: URL(filePath: folder + "/file"))
      #expect(code { _ = try ApplicationRepository(path: folder + "/file") } == .repositoryUnusable)
      #expect(code { _ = try ApplicationRepository(path: folder + "/file/below") } == .repositoryUnusable)
    }
  }
}
