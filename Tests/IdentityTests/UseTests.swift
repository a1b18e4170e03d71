import FoundationEssentials
import Glibc
import Testing

@testable import Identity

@Suite("Using identities")
struct UseTests {
  private let name = "alice@lab.net/a"

  @Test("The certificate's times count")
  func validity() throws {
    try withRepository { repository in
      try repository.put(Certificates.rsa(key: Keys.first, days: 10), as: "cert.crt", of: name)
      let name = try IdentityName(name)
      #expect(try repository.peer(name).name == name)
      #expect(code { _ = try repository.peer(name, at: Date() + 11 * 86_400) } == .expired)
      #expect(code { _ = try repository.peer(name, at: Date() - 2 * 86_400) } == .notYetValid)
      #expect(try repository.peers(matching: .any, at: Date() + 11 * 86_400).isEmpty)
      let entry = repository.entry(name, at: Date() + 11 * 86_400)
      #expect(entry.identity != nil)
      #expect(entry.problem?.code == .expired)
    }
  }

  @Test("Who is not there, or is only a peer, is no own identity")
  func notOwn() throws {
    try withRepository { repository in
      #expect(code { _ = try repository.ownIdentity(IdentityName(name)) } == .unknownIdentity)
      #expect(code { _ = try repository.peer(IdentityName(name)) } == .unknownIdentity)
      try repository.put(Certificates.rsa(key: Keys.first), as: "cert.crt", of: name)
      #expect(code { _ = try repository.ownIdentity(IdentityName(name)) } == .notOwn)
      #expect(try repository.ownIdentities().isEmpty)
    }
  }

  @Test("A private key of another certificate is refused")
  func wrongKey() throws {
    try withRepository { repository in
      try repository.put(Certificates.rsa(key: Keys.first), as: "cert.crt", of: name)
      try repository.put(Keys.second.pkcs8PEMRepresentation, as: "private.key", of: name)
      #expect(code { _ = try repository.ownIdentity(IdentityName(name)) } == .keyMismatch)
    }
  }

  @Test("A private key may be PKCS#1, and becomes PKCS#8")
  func pkcs1() throws {
    try withRepository { repository in
      try repository.put(Certificates.rsa(key: Keys.first), as: "cert.crt", of: name)
      let pkcs1 = try Keys.first.pemRepresentation
      #expect(pkcs1.hasPrefix("-----BEGIN RSA PRIVATE KEY-----"))
      try repository.put(pkcs1, as: "private.key", of: name)
      #expect(try repository.ownIdentity(IdentityName(name)).privateKeyPEM == Keys.first.pkcs8PEMRepresentation)
    }
  }

  @Test(
    "A damaged private key is refused",
    arguments: [
      "", "garbage", "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n",
      "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIE\n-----END ENCRYPTED PRIVATE KEY-----\n",
      "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIE\n-----END RSA PRIVATE KEY-----\n",
    ])
  func badKey(_ text: String) throws {
    try withRepository { repository in
      try repository.put(Certificates.rsa(key: Keys.first), as: "cert.crt", of: name)
      try repository.put(text, as: "private.key", of: name)
      #expect(code { _ = try repository.ownIdentity(IdentityName(name)) } == .badPrivateKey)
    }
  }

  @Test("Loose permissions on a private key are warned about", arguments: [0o644, 0o640, 0o602] as [mode_t])
  func permissions(_ mode: mode_t) throws {
    try withRepository { repository in
      let name = try IdentityName(name)
      _ = try repository.create(name, key: Keys.first)
      chmod(repository.keyPath(name), mode)
      #expect(try repository.ownIdentity(name).permissionsWarning?.contains(String(mode, radix: 8)) == true)
    }
  }

  @Test("The authority's certificate comes along, and must be one")
  func authority() throws {
    try withRepository { repository in
      let name = try IdentityName(name)
      _ = try repository.create(name, key: Keys.first)
      let pem = try Certificates.ellipticCurve()
      try repository.put(pem, as: "ca.crt", of: self.name)
      #expect(
        try repository.ownIdentity(name).caCertificateDER
          == CertificateText.firstCertificate(in: Array(pem.utf8), source: "test"))
      try repository.put("garbage", as: "ca.crt", of: self.name)
      #expect(code { _ = try repository.ownIdentity(name) } == .notACertificate)
    }
  }

  @Test("Peers are listed by pattern, sorted, without what is unusable")
  func lists() throws {
    try withRepository { repository in
      let good = ["b/x", "a/y", "a/x"]
      for name in good { try repository.put(Certificates.rsa(name, key: Keys.first), as: "cert.crt", of: name) }
      try repository.put("garbage", as: "cert.crt", of: "a/bad")
      try repository.put("", as: "notes", of: "c/nothing")
      try Data().write(to: URL(filePath: repository.path + "/file"))
      func names(_ pattern: IdentityPattern) throws -> [String] {
        try repository.peers(matching: pattern).map(\.name.description)
      }
      #expect(try names(.any) == ["a/x", "a/y", "b/x"])
      #expect(try names(IdentityPattern("a")) == ["a/x", "a/y"])
      #expect(try names(IdentityPattern("/x")) == ["a/x", "b/x"])
      #expect(try names(IdentityPattern("b/x")) == ["b/x"])
      #expect(try names(IdentityPattern("nobody")) == [])
      let entries = try repository.entries(matching: .any)
      #expect(entries.map(\.name.description) == ["a/bad", "a/x", "a/y", "b/x"])
      #expect(entries.first?.problem?.code == .notACertificate)
    }
  }

  @Test("Symbolic links are followed, and lead to nothing but what they say")
  func links() throws {
    try withRepository { repository in
      try repository.put(Certificates.rsa("a/x", key: Keys.first), as: "cert.crt", of: "a/x")
      #expect(symlink("x", repository.path + "/a/link") == 0)
      #expect(symlink("link", repository.path + "/a/loop") == 0)
      #expect(unlink(repository.path + "/a/loop") == 0)
      #expect(symlink("loop", repository.path + "/a/loop") == 0)
      #expect(try repository.peers(matching: .any).map(\.name.description) == ["a/link", "a/x"])
    }
  }

  @Test("A FIFO or a folder in place of a certificate blocks nobody")
  func notRegular() throws {
    try withRepository { repository in
      try repository.put("", as: "notes", of: name)
      let path = try repository.certificatePath(IdentityName(name))
      #expect(mkfifo(path, 0o600) == 0)
      #expect(code { _ = try repository.peer(IdentityName(name)) } == .fileUnusable)
      #expect(unlink(path) == 0)
      #expect(mkdir(path, 0o700) == 0)
      #expect(code { _ = try repository.peer(IdentityName(name)) } == .fileUnusable)
    }
  }
}
