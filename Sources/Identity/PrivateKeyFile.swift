import CryptoExtras
import X509

/// Reading the private key of one's own identity.
enum PrivateKeyFile {
  /// The name of the file in the folder of an identity.
  static let name = "private.key"

  /// Reads the RSA key in a PEM text (PKCS#8 or PKCS#1) that belongs to `certificate`; gives it as PKCS#8 PEM.
  ///
  /// No error says anything of the content.
  static func read(_ bytes: [UInt8], belongingTo certificate: [UInt8], path: String) throws -> String {
    let text = String(decoding: bytes, as: UTF8.self)
    guard !text.contains("ENCRYPTED") else {
      throw IdentityError(
        .badPrivateKey,
        "the private key \(path) is protected by a password; remove it with "
          + "`openssl pkey -in private.key -out plain.key` and put plain.key in its place")
    }
    let key: _RSA.Signing.PrivateKey
    do {
      key = try _RSA.Signing.PrivateKey(pemRepresentation: text)
    } catch {
      throw IdentityError(
        .badPrivateKey,
        "\(path) holds no RSA private key of \(PeerIdentity.minimumKeyBits) bits or more in PEM form (PKCS#8 or PKCS#1); "
          + "restore it, or make another identity with `plexus identity new`")
    }
    let publicKey = try Certificate(der: certificate, source: path).publicKey
    guard publicKey == Certificate.PublicKey(key.publicKey) else {
      throw IdentityError(
        .keyMismatch, "the private key \(path) does not belong to the certificate beside it; restore the one that does")
    }
    return key.pkcs8PEMRepresentation
  }

  /// A sentence for the user where others may read or change the key's file.
  static func permissionsWarning(_ stamp: FileStamp, path: String) -> String? {
    let permissions = stamp.mode & 0o777
    guard permissions & 0o077 != 0 else { return nil }
    return "the private key \(path) is open to others (mode 0\(String(permissions, radix: 8))); "
      + "run: chmod 600 \(shellQuoted(path))"
  }
}
