import CryptoExtras
import FoundationEssentials
import SwiftASN1
import X509

/// How a new identity is made.
public struct NewIdentityOptions: Hashable, Sendable {
  /// The size of the RSA key: 2048, 3072 or 4096 bits. 3072 is what NIST SP 800-57 wants for keys in use after 2030.
  public var bits: Int
  /// For how many days the certificate is valid, 1 to 36,500. Twenty years by default: peers pin the certificate, so its
  /// end protects nobody, and all peers would have to be visited to replace it.
  public var days: Int

  /// Checks nothing: `ApplicationRepository.create(_:options:at:)` does.
  public init(bits: Int = 3072, days: Int = 7300) {
    self.bits = bits
    self.days = days
  }

  func validate() throws {
    guard [2048, 3072, 4096].contains(bits) else {
      throw IdentityError(.badOption, "an RSA key of \(bits) bits cannot be made; choose 2048, 3072 or 4096")
    }
    guard (1...36_500).contains(days) else {
      throw IdentityError(.badOption, "a certificate cannot be valid for \(days) days; choose 1 to 36500")
    }
  }
}

extension Certificate {
  /// A self-signed X.509v3 certificate for an identity: RSA with SHA-256, fit for S/MIME and for both ends of TLS.
  init(
    selfSignedFor name: IdentityName, key: _RSA.Signing.PrivateKey, options: NewIdentityOptions, at date: Date
  ) throws {
    // An importing peer reads OWNER/PIN from here.
    let subject = try DistinguishedName {
      OrganizationName(name.owner)
      CommonName(name.pin)
    }
    let publicKey = PublicKey(key.publicKey)
    let keyIdentifier = SubjectKeyIdentifier(hash: publicKey)
    try self.init(
      version: .v3,
      serialNumber: SerialNumber(),
      publicKey: publicKey,
      // The peer's clock may be behind ours.
      notValidBefore: date.addingTimeInterval(-86_400),
      notValidAfter: date.addingTimeInterval(86_400 * Double(options.days)),
      issuer: subject,
      subject: subject,
      signatureAlgorithm: .sha256WithRSAEncryption,
      extensions: Extensions {
        // Peers pin the certificate itself. OpenSSL and BoringSSL take an end-entity certificate that is its own trust
        // anchor, and CA:FALSE keeps whoever adds it to a trust store from trusting what its key signs.
        Critical(BasicConstraints.notCertificateAuthority)
        Critical(KeyUsage(digitalSignature: true, keyEncipherment: true, dataEncipherment: true))
        try ExtendedKeyUsage([.clientAuth, .serverAuth, .emailProtection])
        keyIdentifier
        AuthorityKeyIdentifier(keyIdentifier: keyIdentifier.keyIdentifier)
        if name.ownerIsEmailAddress { SubjectAlternativeNames([.rfc822Name(name.owner)]) }
      },
      issuerPrivateKey: PrivateKey(key))
  }

  /// The identity that the subject names: O or the email address is the owner, CN the pin; nil if one is missing or no
  /// fit name.
  var nameInSubject: IdentityName? {
    guard let owner = first(RDNAttributeType.organizationName) ?? emailAddress,
      let pin = first(RDNAttributeType.commonName)
    else { return nil }
    return try? IdentityName(owner: owner, pin: pin)
  }

  private typealias RDNAttributeType = ASN1ObjectIdentifier.RDNAttributeType

  private func first(_ type: ASN1ObjectIdentifier) -> String? {
    subject.lazy.flatMap { $0 }.first { $0.type == type }.flatMap { String($0.value) }
  }

  private var emailAddress: String? {
    let names = (try? extensions.subjectAlternativeNames) ?? SubjectAlternativeNames()
    for case .rfc822Name(let address) in names { return address }
    return first(RDNAttributeType.emailAddress)
  }
}

extension IdentityName {
  /// Whether the owner looks like an address that a certificate can hold: printable ASCII around one `@`.
  fileprivate var ownerIsEmailAddress: Bool {
    let halves = owner.utf8.split(separator: UInt8(ascii: "@"), omittingEmptySubsequences: false)
    return halves.count == 2 && halves.allSatisfy { !$0.isEmpty }
      && owner.utf8.allSatisfy { (0x21...0x7e).contains($0) }
  }
}
