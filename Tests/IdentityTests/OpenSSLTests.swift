import FoundationEssentials
import Glibc
import Testing

@testable import Identity

/// Others have to read what we write, and openssl is the measure.
@Suite("Interoperation with openssl", .enabled(if: OpenSSL.path != nil, "openssl is not installed"))
struct OpenSSLTests {
  @Test("openssl reads a new identity, and sees the same id and fingerprint")
  func readsIdentity() throws {
    try withRepository { repository in
      let name = try IdentityName("alice@lab.net/a")
      let own = try repository.create(name, key: Keys.first)
      let certificate = repository.certificatePath(name)
      let key = repository.keyPath(name)

      let text = try OpenSSL.run("x509", "-in", certificate, "-noout", "-fingerprint", "-sha256", "-text")
      #expect(text.contains("=\(own.identity.fingerprint)"))
      #expect(text.contains("O = alice@lab.net, CN = a"))
      #expect(text.contains("email:alice@lab.net"))
      #expect(try OpenSSL.run("rsa", "-check", "-noout", "-in", key).contains("RSA key ok"))

      let spki = repository.path + "/spki.der"
      _ = try OpenSSL.run("pkey", "-in", key, "-pubout", "-outform", "der", "-out", spki)
      #expect(try OpenSSL.run("dgst", "-sha1", spki).contains("= \(own.identity.certificateID)"))
    }
  }

  @Test(
    "A pinned certificate serves S/MIME and both ends of TLS",
    arguments: ["smimesign", "smimeencrypt", "sslclient", "sslserver"])
  func purposes(_ purpose: String) throws {
    try withRepository { repository in
      let name = try IdentityName("alice@lab.net/a")
      _ = try repository.create(name, key: Keys.first)
      let file = repository.certificatePath(name)
      let answer = try OpenSSL.run("verify", "-x509_strict", "-CAfile", file, "-purpose", purpose, file)
      #expect(answer.contains(": OK"))
    }
  }

  @Test("An identity made by openssl is used")
  func readsTheirs() throws {
    try withRepository { repository in
      try repository.put("", as: "notes", of: "bob@lab.net/b")
      let name = try IdentityName("bob@lab.net/b")
      _ = try OpenSSL.run(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=bob", "-days", "2", "-keyout",
        repository.keyPath(name), "-out", repository.certificatePath(name))
      // Valid from this second on, which may be the next one by our rounding.
      let own = try repository.ownIdentity(name, at: Date() + 60)
      #expect(own.identity.subject == "CN=bob")
    }
  }
}

/// Runs the openssl program.
enum OpenSSL {
  static let path = ["/usr/bin/openssl", "/usr/local/bin/openssl"].first { (path: String) in
    access(path, X_OK) == 0
  }

  /// What it prints; throws when it fails.
  static func run(_ arguments: String...) throws -> String {
    let program = try #require(path)
    let command = ([program] + arguments).map { "'\($0)'" }.joined(separator: " ") + " 2>&1"
    let pipe = try #require(popen(command, "r"))
    var output: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while case let count = fread(&buffer, 1, buffer.count, pipe), count > 0 { output += buffer.prefix(count) }
    let status = pclose(pipe)
    let text = String(decoding: output, as: UTF8.self)
    try #require(status == 0, "\(command): \(text)")
    return text
  }
}
