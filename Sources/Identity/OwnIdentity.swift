/// An identity with its private key.
public struct OwnIdentity: Sendable {
  /// The public half.
  public let identity: PeerIdentity
  /// The certificate, PEM, without anything around it.
  public var certificatePEM: String { identity.certificatePEM }
  /// The private key, unencrypted PKCS#8 PEM. A secret: it belongs in no log and no error text.
  public let privateKeyPEM: String
  /// The certificate of the authority that the peers' certificates must chain to, DER, where the folder has a `ca.crt`.
  public let caCertificateDER: [UInt8]?
  /// A sentence for the user where others may read or change the private key's file; nil where all is well.
  public let permissionsWarning: String?
}

extension OwnIdentity: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The name and the fingerprint, never the key.
  public var description: String { "\(identity.name) (\(identity.fingerprint), private key not shown)" }
  /// As ``description``.
  public var debugDescription: String { description }
  /// Only the public half: `dump` and test failures print mirrors.
  public var customMirror: Mirror { Mirror(self, children: ["identity": identity]) }
}
