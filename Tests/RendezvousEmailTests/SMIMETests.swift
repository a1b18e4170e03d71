import Foundation
import Identity
import Testing

@testable import RendezvousEmail

@Suite struct SMIMETests {
  /// What the C++ tool sent, as the server stored it: BER of indefinite length, 3DES, a detached signature.
  @Test(arguments: [("invite", "alice@lab.net/a", "bob@lab.net/b"), ("accept", "bob@lab.net/b", "alice@lab.net/a")])
  func capturedMailsOpen(name: String, recipient: String, sender: String) async throws {
    try await withTemporaryFolder { folder in
      let repository = try Fixtures.repository(in: folder)
      let own = try repository.ownIdentity(IdentityName(recipient), at: Fixtures.date)
      let peer = try repository.peer(IdentityName(sender), at: Fixtures.date)
      let mail = MIMEEntity(try Fixtures.bytes("\(name).eml")[...])
      #expect(try SMIMESealer(own: own).open(mail, from: peer) == Fixtures.text("\(name).text"))

      let card = try #require(MailCard(header: try Fixtures.bytes("\(name).eml")))
      #expect(card.to.isSame(as: own.identity.name) && card.from.isSame(as: peer.name))
      #expect(card.subject == "app \(name)")
      // The signer must be the one whose certificate the repository holds.
      #expect { try SMIMESealer(own: own).open(mail, from: own.identity) } throws: { error in
        if case MailDropReason.untrusted = error { true } else { false }
      }
      // And the recipient must be us.
      let other = try repository.ownIdentity(IdentityName(sender), at: Fixtures.date)
      #expect { try SMIMESealer(own: other).open(mail, from: peer) } throws: { error in
        if case MailDropReason.notForUs = error { true } else { false }
      }
    }
  }

  @Test func whatIsSealedOpens() throws {
    let (ann, bob) = (try Cast.own(Cast.ann), try Cast.own(Cast.bob))
    let line = "PLEXUS 3.0 192.0.2.1 4000 18446744073709551615"
    let mail = OutgoingMail(
      from: ann.identity.name, to: bob.identity.name, subject: "app invite",
      parts: [try SMIMESealer(own: ann).seal(line, to: bob.identity)])
    let entity = MIMEEntity(Array(mail.content.utf8)[...])
    #expect(try SMIMESealer(own: bob).open(entity, from: ann.identity) == line)
    #expect(throws: MailDropReason.self) { try SMIMESealer(own: bob).open(entity, from: Cast.own(Cast.eve).identity) }
    #expect(!mail.content.contains("192.0.2.1"))
    // The reference looks for To directly behind From.
    #expect(
      mail.content.hasPrefix("From: desk <ann@example.org>\r\nTo: home <bob@example.org>\r\nSubject: app invite\r\n"))
  }

  @Test(arguments: ["cms", "smime"])
  func opensslReadsOurs(tool: String) async throws {
    try await withTemporaryFolder { folder in
      let (ann, bob) = (try Cast.own(Cast.ann), try Cast.own(Cast.bob))
      let line = "PLEXUS 3.0 192.0.2.1 4000 5"
      let part = try SMIMESealer(own: ann).seal(line, to: bob.identity)
      try part.write(toFile: "\(folder)/sealed", atomically: true, encoding: .utf8)
      let (anns, bobs) = ("\(try Cast.folder())/\(Cast.ann)", "\(try Cast.folder())/\(Cast.bob)")
      try openssl(
        tool, "-decrypt", "-in", "sealed", "-recip", "\(bobs)/cert.crt", "-inkey", "\(bobs)/private.key", "-out",
        "signed",
        in: folder)
      let signed = try String(contentsOfFile: "\(folder)/signed", encoding: .utf8)
      #expect(signed.contains("multipart/signed") && signed.contains("micalg=\"sha-256\""))
      // No certificate inside: it must be given.
      #expect(throws: OpenSSLFailure.self) {
        try openssl(tool, "-verify", "-in", "signed", "-noverify", "-out", "text", in: folder)
      }
      try openssl(
        tool, "-verify", "-in", "signed", "-certfile", "\(anns)/cert.crt", "-nointern", "-noverify", "-out", "text",
        in: folder)
      #expect(try String(contentsOfFile: "\(folder)/text", encoding: .utf8) == line)
    }
  }

  @Test func theWireFormIsWhatTheReferenceReads() async throws {
    try await withTemporaryFolder { folder in
      let (ann, bob) = (try Cast.own(Cast.ann), try Cast.own(Cast.bob))
      let part = try SMIMESealer(own: ann).seal("PLEXUS 3.0 192.0.2.1 4000 5", to: bob.identity)
      try part.write(toFile: "\(folder)/sealed", atomically: true, encoding: .utf8)
      let dump = try openssl("cms", "-cmsout", "-print", "-in", "sealed", in: folder)
      #expect(dump.contains("pkcs7-envelopedData") && dump.contains("aes-256-cbc"))
      #expect(dump.contains("rsaEncryption") && dump.contains("issuerAndSerialNumber"))
      #expect(!dump.contains("subjectKeyIdentifier"))
    }
  }

  /// The ways to write S/MIME that the reference reads, and those that it cannot.
  @Test(
    arguments: ["-aes128", "-aes192", "-aes256", "-des3", "-aes256 -keyopt rsa_padding_mode:oaep", "-aes-256-gcm"],
    [
      "-nocerts", "", "-nodetach", "-nodetach -nocerts", "-md sha512", "-md sha384", "-noattr", "-nodetach -noattr",
      "-keyid",
      "-indef -nodetach", "-text", "-keyopt rsa_padding_mode:pss",
    ])
  func whatOpensslWritesOpens(encryption: String, signing: String) async throws {
    try await withTemporaryFolder { folder in
      let line = "PLEXUS 3.0 192.0.2.1 4000 5"
      let entity = try sealed(line, by: Cast.ann, encryption: encryption, signing: signing, in: folder)
      let (ann, bob) = (try Cast.own(Cast.ann), try Cast.own(Cast.bob))
      let text = try SMIMESealer(own: bob).open(entity, from: ann.identity)
      #expect(text.trimmed == line)
      #expect(throws: MailDropReason.self) { try SMIMESealer(own: bob).open(entity, from: Cast.own(Cast.eve).identity) }
    }
  }

  @Test(arguments: ["-md sha1", "-md md5"])
  func weakDigestsAreRefused(signing: String) async throws {
    try await withTemporaryFolder { folder in
      let entity = try sealed("PLEXUS", by: Cast.ann, encryption: "-aes256", signing: signing, in: folder)
      #expect(throws: MailDropReason.untrusted("it is signed with a digest that is too weak")) {
        try SMIMESealer(own: Cast.own(Cast.bob)).open(entity, from: Cast.own(Cast.ann).identity)
      }
    }
  }

  /// Somebody else's signature with the peer's certificate beside it proves nothing.
  @Test func certificatesInTheMailCountForNothing() async throws {
    try await withTemporaryFolder { folder in
      let annCertificate = "\(try Cast.folder())/\(Cast.ann)/cert.crt"
      let entity = try sealed(
        "PLEXUS", by: Cast.eve, encryption: "-aes256", signing: "-nodetach -certfile \(annCertificate)", in: folder)
      #expect(throws: MailDropReason.self) {
        try SMIMESealer(own: Cast.own(Cast.bob)).open(entity, from: Cast.own(Cast.ann).identity)
      }
    }
  }

  @Test func whatIsOnlyEncryptedOrOnlySignedOrPlainIsRefused() async throws {
    try await withTemporaryFolder { folder in
      let (ann, bob) = (try Cast.own(Cast.ann), try SMIMESealer(own: Cast.own(Cast.bob)))
      try "PLEXUS".write(toFile: "\(folder)/line", atomically: true, encoding: .utf8)
      let bobs = "\(try Cast.folder())/\(Cast.bob)/cert.crt"
      let anns = "\(try Cast.folder())/\(Cast.ann)"
      try openssl("cms", "-encrypt", "-binary", "-in", "line", "-aes256", "-out", "encrypted", bobs, in: folder)
      try openssl(
        "cms", "-sign", "-in", "line", "-signer", "\(anns)/cert.crt", "-inkey", "\(anns)/private.key", "-nodetach",
        "-out",
        "signed", in: folder)
      let expected: [(String, MailDropReason?)] = [("encrypted", .notSigned), ("signed", nil), ("line", .notEncrypted)]
      for (file, reason) in expected {
        let entity = MIMEEntity(Array(try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(file)")))[...])
        #expect {
          try bob.open(entity, from: ann.identity)
        } throws: { error in
          reason == nil ? error is MailDropReason : error as? MailDropReason == reason
        }
      }
    }
  }

  @Test func aChangedByteIsNoticed() throws {
    let (ann, bob) = (try Cast.own(Cast.ann), try Cast.own(Cast.bob))
    let key = try CMSKey(pem: ann.privateKeyPEM, certificate: CMSCertificate(der: ann.identity.certificateDER))
    let signature = try key.sign(Array("PLEXUS 3.0".utf8))
    let certificate = try CMSCertificate(der: ann.identity.certificateDER)
    #expect(try certificate.verify(signature, over: Array("PLEXUS 3.0".utf8)) == Array("PLEXUS 3.0".utf8))
    #expect(throws: CMSFailure.self) { try certificate.verify(signature, over: Array("PLEXUS 3.1".utf8)) }
    #expect(throws: CMSFailure.self) { try certificate.verify(signature, over: []) }
    #expect(throws: CMSFailure.self) { try certificate.verify(signature, over: nil) }
    #expect(throws: CMSFailure.self) {
      try CMSCertificate(der: bob.identity.certificateDER).verify(signature, over: Array("PLEXUS 3.0".utf8))
    }
  }

  @Test func thePeersCertificateMustChainToTheAuthority() async throws {
    try await withTemporaryFolder { folder in
      let path = try Cast.repository(of: Cast.bob, in: folder)
      let (anns, eves) = ("\(path)/\(Cast.ann)/cert.crt", "\(path)/\(Cast.eve)/cert.crt")
      let repository = try ApplicationRepository(path: path)
      let sealed = try SMIMESealer(own: Cast.own(Cast.ann)).seal("PLEXUS", to: Cast.own(Cast.bob).identity)
      let entity = MIMEEntity(Array(sealed.utf8)[...])
      let ann = try repository.peer(IdentityName(Cast.ann))
      for (authority, isTrusted) in [(anns, true), (eves, false)] {
        let file = "\(path)/\(Cast.bob)/ca.crt"
        try? FileManager.default.removeItem(atPath: file)
        try FileManager.default.copyItem(atPath: authority, toPath: file)
        let sealer = try SMIMESealer(own: repository.ownIdentity(IdentityName(Cast.bob)))
        if isTrusted {
          #expect(try sealer.open(entity, from: ann) == "PLEXUS")
        } else {
          #expect { try sealer.open(entity, from: ann) } throws: { error in
            if case MailDropReason.untrusted = error { true } else { false }
          }
        }
      }
    }
  }
}

/// Signs and encrypts with `openssl cms`, as mail programs do.
private func sealed(
  _ line: String, by signer: String, encryption: String, signing: String, in folder: String
) throws -> MIMEEntity {
  try line.write(toFile: "\(folder)/line", atomically: true, encoding: .utf8)
  let (signers, bobs) = ("\(try Cast.folder())/\(signer)", "\(try Cast.folder())/\(Cast.bob)/cert.crt")
  let words = { (text: String) in text.split(separator: " ").map(String.init) }
  try openssl(
    ["cms", "-sign", "-in", "line", "-crlfeol", "-signer", "\(signers)/cert.crt", "-inkey", "\(signers)/private.key"]
      + words(signing) + ["-out", "signed"], in: folder)
  var arguments = ["cms", "-encrypt", "-binary", "-in", "signed", "-out", "sealed"]
  let options = words(encryption)
  // -keyopt belongs to the recipient before it.
  arguments += [options[0], "-recip", bobs] + options.dropFirst()
  try openssl(arguments, in: folder)
  return MIMEEntity(Array(try Data(contentsOf: URL(fileURLWithPath: "\(folder)/sealed")))[...])
}

struct OpenSSLFailure: Error { let text: String }

@discardableResult
func openssl(_ arguments: String..., in folder: String) throws -> String { try openssl(arguments, in: folder) }

@discardableResult
func openssl(_ arguments: [String], in folder: String) throws -> String {
  let process = Process()
  let (output, errors) = (Pipe(), Pipe())
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = ["openssl"] + arguments
  process.currentDirectoryURL = URL(fileURLWithPath: folder)
  process.standardOutput = output
  process.standardError = errors
  try process.run()
  let texts = [output, errors].map { String(decoding: $0.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self) }
  process.waitUntilExit()
  guard process.terminationStatus == 0 else { throw OpenSSLFailure(text: texts[1]) }
  return texts[0]
}
