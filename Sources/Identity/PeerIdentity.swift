import FoundationEssentials
import LibC

/// An identity as its certificate shows it: a peer's, or the public half of one's own.
public struct PeerIdentity: Hashable, Sendable {
  /// Where it lies in the repository.
  public let name: IdentityName
  /// The certificate, DER. Its key is RSA of at least 2048 bits.
  public let certificateDER: [UInt8]
  /// The id under which OpenDHT knows the certificate's key.
  public let certificateID: CertificateID
  /// SHA-256 over the certificate's DER as `AA:BB:…`: what people compare over another channel.
  public let fingerprint: String
  /// The certificate's subject, for people. Whoever made the certificate chose it: it proves nothing.
  public let subject: String
  /// The size of the RSA key in bits.
  public let keyBits: Int
  /// The first second of the certificate's validity.
  public let notValidBefore: Date
  /// The last second of the certificate's validity.
  public let notValidAfter: Date
}

extension PeerIdentity {
  /// The certificate in PEM, ending with a line end.
  public var certificatePEM: String { CertificateText.pem(certificateDER) }

  /// Writes the certificate in PEM to a new file that everybody may read.
  ///
  /// - Throws: ``IdentityError``: `alreadyExists` when there is a file already, `fileUnusable`.
  public func export(to path: String) throws {
    guard access(path, F_OK) != 0 else {
      throw IdentityError(.alreadyExists, "\(path) is there already; remove it, or choose another file")
    }
    try PrivateFolder.writeNew(Array(certificatePEM.utf8), to: path, mode: 0o644)
  }
}
