import Crypto
import SwiftASN1
import X509

/// What OpenDHT calls a certificate's id: SHA-1 over the DER of its SubjectPublicKeyInfo.
///
/// It is the id of the key, not of the certificate: a renewed certificate with the same key keeps it.
public struct CertificateID: Hashable, Sendable {
  /// The 20 bytes of the digest.
  public let bytes: [UInt8]

  /// Takes the 20 bytes of a digest; nil for any other number.
  public init?(bytes: some Sequence<UInt8>) {
    self.bytes = Array(bytes)
    guard self.bytes.count == 20 else { return nil }
  }

  /// Reads 40 hexadecimal digits of either case.
  public init?(_ hex: String) {
    let digits = hex.utf8.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
    guard digits.count == 40, hex.utf8.count == 40 else { return nil }
    bytes = stride(from: 0, to: 40, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
  }

  /// The id of a public key.
  init(_ key: Certificate.PublicKey) throws {
    var serializer = DER.Serializer()
    try serializer.serialize(key)
    bytes = Array(Insecure.SHA1.hash(data: serializer.serializedBytes))
  }
}

extension CertificateID: CustomStringConvertible {
  /// 40 lower-case hexadecimal digits.
  public var description: String { hexadecimal(bytes) }
}

/// Two digits for each byte, with `separator` between the bytes.
func hexadecimal(_ bytes: some Sequence<UInt8>, uppercase: Bool = false, separator: String = "") -> String {
  bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: uppercase) }.joined(separator: separator)
}
