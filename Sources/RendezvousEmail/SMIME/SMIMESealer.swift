import Identity
import Rendezvous

/// Seals lines for peers as S/MIME, and opens what peers sealed for us.
///
/// A sealed line is an enveloped-data whose content is a `multipart/signed` of the bare line: signed first, then encrypted.
struct SMIMESealer: Sendable {
  private let own: CMSCertificate
  private let key: CMSKey
  private let authority: CMSCertificate?

  /// - Throws: ``RendezvousError`` with code `unusableKey`.
  init(own identity: OwnIdentity) throws {
    do {
      own = try CMSCertificate(der: identity.identity.certificateDER)
      key = try CMSKey(pem: identity.privateKeyPEM, certificate: own)
    } catch {
      throw RendezvousError(
        .unusableKey, "the own key or certificate cannot be used for mail (\(error)); make a new identity")
    }
    do throws(CMSFailure) {
      if let der = identity.caCertificateDER { authority = try CMSCertificate(der: der) } else { authority = nil }
    } catch {
      throw RendezvousError(
        .unusableKey, "the ca.crt of \(identity.identity.name) cannot be used (\(error)); replace or remove it")
    }
  }

  /// The header fields and the body of the MIME part that `peer` alone can read.
  ///
  /// - Throws: ``RendezvousError`` with code `unusableKey`.
  func seal(_ line: String, to peer: PeerIdentity) throws -> String {
    do throws(CMSFailure) {
      let content = signedEntity(of: line, signature: try key.sign(Array(line.utf8)))
      let sealed = try CMSCertificate(der: peer.certificateDER).encrypt(Array(content.utf8))
      return """
        MIME-Version: 1.0\r
        Content-Disposition: attachment; filename="smime.p7m"\r
        Content-Type: application/x-pkcs7-mime; smime-type=enveloped-data; name="smime.p7m"\r
        Content-Transfer-Encoding: base64\r
        \r
        \(Base64.encodeLines(sealed))\r

        """
    } catch {
      throw RendezvousError(
        .unusableKey,
        "nothing can be signed for, and encrypted to, the certificate of \(peer.name) (\(error)); import it anew")
    }
  }

  /// In the form in which the reference reads it: the signed part is the bare line, without header fields.
  private func signedEntity(of line: String, signature: [UInt8]) -> String {
    let boundary = "----\(Boundary.random())"
    return """
      MIME-Version: 1.0\r
      Content-Type: multipart/signed; protocol="application/x-pkcs7-signature"; micalg="sha-256"; boundary="\(boundary)"\r
      \r
      This is an S/MIME signed message\r
      \r
      --\(boundary)\r
      \(line)\r
      --\(boundary)\r
      Content-Type: application/x-pkcs7-signature; name="smime.p7s"\r
      Content-Transfer-Encoding: base64\r
      Content-Disposition: attachment; filename="smime.p7s"\r
      \r
      \(Base64.encodeLines(signature))\r
      --\(boundary)--\r
      \r

      """
  }

  /// Decrypts a mail and verifies that `peer`, by the very certificate that we hold, signed it.
  ///
  /// - Throws: ``MailDropReason``.
  func open(_ mail: MIMEEntity, from peer: PeerIdentity) throws(MailDropReason) -> String {
    try openWhole(mail, from: peer).line
  }

  /// As ``open(_:from:)``, with the text of the second sealed part, the companion, if there is one.
  func openBoth(
    _ mail: MIMEEntity, from peer: PeerIdentity
  ) throws(MailDropReason) -> (line: String, companion: String?) {
    let sealed = try sealedParts(of: mail)
    guard let first = sealed.first else { throw .notEncrypted }
    let line = try openPart(first, from: peer).line
    return (line, sealed.count > 1 ? try openPart(sealed[1], from: peer).line : nil)
  }

  /// As ``open(_:from:)``, with the signature, which only the peer can make and which holds the time.
  func openWhole(
    _ mail: MIMEEntity, from peer: PeerIdentity
  ) throws(MailDropReason) -> (line: String, signature: [UInt8]) {
    guard let first = try sealedParts(of: mail).first else { throw .notEncrypted }
    return try openPart(first, from: peer)
  }

  private func openPart(
    _ part: MIMEEntity, from peer: PeerIdentity
  ) throws(MailDropReason) -> (line: String, signature: [UInt8]) {
    guard let message = part.decodedBody else { throw .malformed("its transfer encoding cannot be read") }
    let content: [UInt8]
    do throws(CMSFailure) { content = try key.decrypt(message) } catch { throw .notForUs(error.description) }
    let certificate: CMSCertificate
    do throws(CMSFailure) {
      certificate = try CMSCertificate(der: peer.certificateDER)
      if let authority { try certificate.verifyChain(to: authority) }
    } catch {
      throw .untrusted(error.description)
    }
    let (signed, signature) = try verifiedContent(of: MIMEEntity(content[...]), signer: certificate)
    return (try Self.text(of: signed), signature)
  }

  /// What holds enveloped-data: the mail itself, or parts of it, two at most.
  private func sealedParts(of mail: MIMEEntity) throws(MailDropReason) -> [MIMEEntity] {
    let type = mail.contentType
    var candidates = [mail]
    if type.type.hasPrefix("multipart/") {
      guard let boundary = type.parameters["boundary"], !boundary.isEmpty else { throw .malformed("no boundary") }
      candidates = mail.parts(boundary: boundary).map { MIMEEntity($0) }
    }
    return Array(candidates.lazy.filter { $0.contentType.isPKCS7 }.prefix(2))
  }

  private func verifiedContent(
    of entity: MIMEEntity, signer: CMSCertificate
  ) throws(MailDropReason) -> (content: [UInt8], signature: [UInt8]) {
    let type = entity.contentType
    let (signature, content): ([UInt8]?, [UInt8]?)
    if type.isPKCS7 {
      (signature, content) = (entity.decodedBody, nil)
    } else if type.type == "multipart/signed", let boundary = type.parameters["boundary"], !boundary.isEmpty {
      let parts = entity.parts(boundary: boundary)
      guard parts.count == 2 else { throw .malformed("it is signed in a way that is not known here") }
      (signature, content) = (MIMEEntity(parts[1]).decodedBody, parts[0].canonicalLines)
    } else {
      throw .notSigned
    }
    guard let signature else { throw .malformed("the encoding of its signature cannot be read") }
    do throws(CMSFailure) {
      return (try signer.verify(signature, over: content), signature)
    } catch {
      throw .untrusted(error.description)
    }
  }

  /// The line in what was signed: it stands bare there, or as the body of a text with header fields.
  private static func text(of content: [UInt8]) throws(MailDropReason) -> String {
    guard content.count <= maximumContent, let text = String(validating: content, as: UTF8.self) else {
      throw .malformed("what was signed is no short text")
    }
    guard text.lowercased().hasPrefix("content-") || text.lowercased().hasPrefix("mime-version") else { return text }
    let entity = MIMEEntity(content[...])
    guard entity.contentType.type == "text/plain", let body = entity.decodedBody else {
      throw .malformed("what was signed is no plain text")
    }
    return String(decoding: body, as: UTF8.self)
  }

  /// A reference line has 80 bytes, newer ones a few hundred, a companion at most 9 KB.
  private static let maximumContent = 16_384
}

extension ContentType {
  fileprivate var isPKCS7: Bool { type == "application/x-pkcs7-mime" || type == "application/pkcs7-mime" }
}

/// What stands between the parts of a multipart body.
enum Boundary {
  /// 128 random bits: they stand in no text by accident.
  static func random() -> String {
    (0..<4).map { _ in
      let digits = String(UInt32.random(in: 0...UInt32.max), radix: 16, uppercase: true)
      return String(repeating: "0", count: 8 - digits.count) + digits
    }.joined()
  }
}
