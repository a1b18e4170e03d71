import Crypto
import CryptoExtras
import FoundationEssentials
import SwiftASN1
import X509

extension PeerIdentity {
  /// The smallest RSA key that is taken, in bits.
  static let minimumKeyBits = 2048

  /// Reads the first certificate in a PEM text, and checks everything but the time.
  ///
  /// - Parameter source: What to call the file in an error.
  init(name: IdentityName, pem: [UInt8], source: String) throws {
    let der = try CertificateText.firstCertificate(in: pem, source: source)
    try self.init(name: name, certificate: Certificate(der: der, source: source), der: der, source: source)
  }

  /// Checks a parsed certificate for everything but the time.
  init(name: IdentityName, certificate: Certificate, der: [UInt8], source: String) throws {
    guard let key = _RSA.Signing.PublicKey(certificate.publicKey) else { throw IdentityError(unsupportedKeyIn: source) }
    self.name = name
    self.certificateDER = der
    self.certificateID = try CertificateID(certificate.publicKey)
    self.fingerprint = hexadecimal(SHA256.hash(data: der), uppercase: true, separator: ":")
    self.subject = printable(certificate.subject.description)
    self.keyBits = key.keySizeInBits
    self.notValidBefore = certificate.notValidBefore
    self.notValidAfter = certificate.notValidAfter
  }

  /// Throws when the certificate is not valid at `date`.
  public func checkValidity(at date: Date) throws {
    if date > notValidAfter {
      throw IdentityError(
        .expired, "the certificate of \(name) expired on \(day(notValidAfter)); its owner must make a new one")
    }
    if date < notValidBefore {
      throw IdentityError(
        .notYetValid,
        "the certificate of \(name) is not valid before \(day(notValidBefore)); check this machine's clock")
    }
  }
}

extension Certificate {
  /// Parses the DER of a certificate, and tells a key that we cannot use from a damaged file.
  init(der: [UInt8], source: String) throws {
    do {
      try self.init(derEncoded: der)
    } catch {
      // A certificate whose key the library refuses (short RSA, DSA, PSS, new curves) fails to parse as a whole.
      throw Self.hasShapeOfCertificate(der)
        ? IdentityError(unsupportedKeyIn: source)
        : CertificateText.notACertificate(source)
    }
  }

  /// Whether `der` is a Certificate of RFC 5280 section 4.1 as far as its public key, whatever kind of key that is.
  private static func hasShapeOfCertificate(_ der: [UInt8]) -> Bool {
    guard let certificate = try? DER.parse(der).fields, certificate.count == 3, var fields = certificate.first?.fields,
      let version = fields.first
    else { return false }
    if version.identifier == ASN1Identifier(tagWithNumber: 0, tagClass: .contextSpecific) { fields.removeFirst() }
    // Before the key: serial number, signature, issuer, validity, subject.
    let key = fields.dropFirst(5).first?.fields ?? []
    return key.count == 2 && key.first?.fields.first?.identifier == .objectIdentifier
      && key.last?.identifier == .bitString
  }
}

extension ASN1Node {
  /// The nodes of a SEQUENCE; nothing for any other kind of node.
  fileprivate var fields: [ASN1Node] {
    guard identifier == .sequence, case .constructed(let nodes) = content else { return [] }
    return Array(nodes)
  }
}

extension IdentityError {
  init(unsupportedKeyIn source: String) {
    self.init(
      .unsupportedKey,
      "the certificate in \(source) has no RSA key of \(PeerIdentity.minimumKeyBits) bits or more; "
        + "OpenDHT encrypts to RSA keys only; its owner can make one with `plexus identity new`")
  }
}

/// `text` made fit for a terminal: whoever made the certificate chose it.
private func printable(_ text: String) -> String {
  var shown = ""
  for scalar in text.unicodeScalars.prefix(200) {
    let isHarmful = scalar.isControl || scalar.properties.generalCategory == .format
    shown += isHarmful ? scalar.escaped(asASCII: true) : String(scalar)
  }
  return shown
}

/// The day of `date` in UTC, as 2026-11-23.
private func day(_ date: Date) -> String { date.formatted(.iso8601.year().month().day()) }
