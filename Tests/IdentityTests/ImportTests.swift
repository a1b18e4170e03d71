import FoundationEssentials
import Testing

@testable import Identity

@Suite("Importing certificates")
struct ImportTests {
  /// Writes `text` to a file outside of the repository and imports it.
  private func importing(
    _ text: String, into repository: ApplicationRepository, as name: String? = nil, replacing: Bool = false,
    at date: Date = Date()
  ) throws -> ImportedCertificate {
    let path = repository.path + ".crt"
    try Data(text.utf8).write(to: URL(filePath: path))
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try repository.importCertificate(
      from: .file(path), as: name.map { try IdentityName($0) }, replacing: replacing, at: date)
  }

  @Test("The certificate tells whose it is")
  func infersTheName() throws {
    try withRepository { repository in
      let imported = try importing(Certificates.rsa("alice@lab.net/a", key: Keys.first), into: repository)
      #expect(imported.peer.name.description == "alice@lab.net/a")
      #expect(imported.replaced == nil)
      #expect(!imported.wasThere)
      #expect(try repository.peer(imported.peer.name) == imported.peer)
      #expect(try FileStamp(path: repository.folder(imported.peer.name)).mode & 0o777 == 0o700)
    }
  }

  @Test("The user's name for a peer wins over the certificate's")
  func takesTheName() throws {
    try withRepository { repository in
      let imported = try importing(Certificates.rsa("alice@lab.net/a", key: Keys.first), into: repository, as: "c/d")
      #expect(imported.peer.name.description == "c/d")
      #expect(try repository.peers(matching: .any).map(\.name.description) == ["c/d"])
    }
  }

  @Test("A name in a certificate leads nowhere outside", arguments: ["..", ".", "a/b", "a\u{1b}", ""])
  func distrustsTheName(_ owner: String) throws {
    try withRepository { repository in
      let pem = try Certificates.rsa(owner: owner, pin: "a", key: Keys.first)
      #expect(code { _ = try importing(pem, into: repository) } == .badName)
      #expect(try FileManager.default.contentsOfDirectory(atPath: repository.path).isEmpty)
    }
  }

  @Test("Importing the same certificate again changes nothing")
  func again() throws {
    try withRepository { repository in
      let pem = try Certificates.rsa(key: Keys.first)
      let first = try importing(pem, into: repository)
      let second = try importing(pem, into: repository)
      #expect(second.wasThere)
      #expect(second.peer == first.peer)
    }
  }

  @Test("A different certificate is replaced only when told to")
  func replaces() throws {
    try withRepository { repository in
      let first = try importing(Certificates.rsa(key: Keys.first), into: repository)
      let other = try Certificates.rsa(key: Keys.second)
      #expect(code { _ = try importing(other, into: repository) } == .alreadyExists)
      #expect(try repository.peer(first.peer.name) == first.peer)
      let replaced = try importing(other, into: repository, replacing: true)
      #expect(replaced.replaced == first.peer)
      #expect(try repository.peer(first.peer.name) == replaced.peer)
      #expect(try FileManager.default.contentsOfDirectory(atPath: repository.folder(first.peer.name)) == ["cert.crt"])
    }
  }

  @Test("One's own identity is never replaced")
  func sparesOwn() throws {
    try withRepository { repository in
      let own = try repository.create(IdentityName("alice@lab.net/a"), key: Keys.first)
      let other = try Certificates.rsa(key: Keys.second)
      #expect(code { _ = try importing(other, into: repository, replacing: true) } == .alreadyExists)
      #expect(try repository.ownIdentity(own.identity.name).identity == own.identity)
      #expect(try importing(own.certificatePEM, into: repository).wasThere)
    }
  }

  @Test("A folder that waits for its certificate gets it")
  func fillsAFolder() throws {
    try withRepository { repository in
      try repository.put("for later", as: "notes", of: "alice@lab.net/a")
      let imported = try importing(Certificates.rsa(key: Keys.first), into: repository)
      #expect(try repository.peer(imported.peer.name) == imported.peer)
    }
  }

  @Test("Mail's traces around a certificate do no harm, and a chain's first counts")
  func tolerant() throws {
    try withRepository { repository in
      let pem = try Certificates.rsa(key: Keys.first)
      let messy =
        "Hi Bob,\r\n\r\n" + pem.split(separator: "\n").map { "  \($0) \r\n" }.joined() + "\r\n"
        + (try Certificates.ellipticCurve()) + "\r\nAlice"
      let imported = try importing(messy, into: repository)
      #expect(imported.peer.certificatePEM == pem)
      let stored = try String(contentsOfFile: repository.certificatePath(imported.peer.name), encoding: .utf8)
      #expect(stored == pem)
    }
  }

  @Test("A private key is refused, wherever it stands")
  func privateKey() throws {
    try withRepository { repository in
      let pem = try Certificates.rsa(key: Keys.first)
      for key in [try Keys.first.pkcs8PEMRepresentation, try Keys.first.pemRepresentation] {
        for text in [key, pem + key, key + pem] {
          #expect(code { _ = try importing(text, into: repository) } == .privateKeyInsteadOfCertificate)
        }
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: repository.path).isEmpty)
    }
  }

  @Test("A key that OpenDHT cannot use is refused as such")
  func unsupportedKeys() throws {
    try withRepository { repository in
      for pem in [try Certificates.ellipticCurve(), Certificates.shortRSA] {
        #expect(code { _ = try importing(pem, into: repository) } == .unsupportedKey)
      }
    }
  }

  @Test("An expired certificate is refused, and one from the future too")
  func validity() throws {
    try withRepository { repository in
      let pem = try Certificates.rsa(key: Keys.first, days: 10)
      #expect(code { _ = try importing(pem, into: repository, at: Date() + 11 * 86_400) } == .expired)
      #expect(code { _ = try importing(pem, into: repository, at: Date() - 2 * 86_400) } == .notYetValid)
    }
  }

  @Test("What is no certificate is refused")
  func garbage() throws {
    try withRepository { repository in
      let pem = try Certificates.rsa(key: Keys.first)
      let lines = pem.split(separator: "\n")
      let texts = [
        "", "garbage", "-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\n%%%%\n-----END CERTIFICATE-----",
        String(pem.prefix(pem.count / 2)),
        // A line is missing in the middle.
        (lines.prefix(5) + lines.dropFirst(6)).joined(separator: "\n"),
      ]
      for text in texts {
        #expect(code { _ = try importing(text, into: repository) } == .notACertificate, "\(text.prefix(60))")
      }
    }
  }

  @Test("A certificate damaged in any byte is refused or harmless")
  func damaged() throws {
    let der = try CertificateText.firstCertificate(
      in: Array(Certificates.rsa(key: Keys.first).utf8), source: "test")
    let name = try IdentityName("a/b")
    for index in der.indices {
      var damaged = der
      damaged[index] ^= 0xff
      let pem = Array(CertificateText.pem(damaged).utf8)
      // Some bytes are the signature, which nobody checks on a pinned certificate: it may pass, but never trap.
      #expect(throws: Never.self) {
        do { _ = try PeerIdentity(name: name, pem: pem, source: "test") } catch is IdentityError {}
      }
    }
  }

  @Test("A huge file is refused, and one that is none")
  func huge() throws {
    try withRepository { repository in
      let pem = try Certificates.rsa(key: Keys.first)
      let padding = String(repeating: " ", count: SmallFile.maximumSize - pem.utf8.count)
      #expect(code { _ = try importing(pem + padding + " ", into: repository) } == .fileTooLarge)
      #expect(throws: Never.self) { try importing(pem + padding, into: repository) }
      #expect(code { _ = try repository.importCertificate(from: .file("/dev/zero")) } == .fileUnusable)
      #expect(code { _ = try repository.importCertificate(from: .file(repository.path)) } == .fileUnusable)
      #expect(code { _ = try repository.importCertificate(from: .file(repository.path + "/no")) } == .fileUnusable)
    }
  }

  @Test("An exported certificate imports on the other side, and overwrites no file")
  func exports() throws {
    try withRepository { here in
      try withRepository { there in
        let own = try here.create(IdentityName("alice@lab.net/a"), key: Keys.first)
        let file = here.path + "/alice.crt"
        try own.identity.export(to: file)
        #expect(try there.importCertificate(from: .file(file)).peer == own.identity)
        #expect(code { try own.identity.export(to: file) } == .alreadyExists)
      }
    }
  }
}
