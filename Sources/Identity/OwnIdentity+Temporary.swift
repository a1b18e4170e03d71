import CryptoExtras
import FoundationEssentials
import SwiftASN1
import X509

extension OwnIdentity {
  /// An identity that lies in no repository and is gone with this value: for a message to oneself. Takes a tenth of a second.
  ///
  /// - Throws: ``IdentityError``, or what the makers of keys and certificates throw.
  package static func temporary(at date: Date = Date()) throws -> OwnIdentity {
    let name = try IdentityName(owner: "temporary", pin: "identity")
    let key = try _RSA.Signing.PrivateKey(keySize: .bits2048)
    let certificate = try Certificate(
      selfSignedFor: name, key: key, options: NewIdentityOptions(bits: 2048, days: 1), at: date)
    var serializer = DER.Serializer()
    try serializer.serialize(certificate)
    let pem = CertificateText.pem(serializer.serializedBytes)
    return OwnIdentity(
      identity: try PeerIdentity(name: name, pem: Array(pem.utf8), source: "a temporary certificate"),
      privateKeyPEM: key.pkcs8PEMRepresentation, caCertificateDER: nil, permissionsWarning: nil)
  }
}
