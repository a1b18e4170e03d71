// MESSAGE-INTEGRITY-SHA256 (RFC 8489 14.6) in front of FINGERPRINT. The code itself is the caller's matter, so that this module needs no
// cryptography.

extension STUNMessage {
  /// Bytes of a whole code, as ours are.
  package static let integrityLength = 32
  private static let integrityAttributeLength = 4 + integrityLength

  /// The message as a datagram that ends with a code over what is before it, and with FINGERPRINT.
  ///
  /// - Parameter code: gives ``integrityLength`` bytes for the part that they protect.
  package func encoded(integrity code: ([UInt8]) -> [UInt8]) -> [UInt8] {
    var plain = self
    plain.hasFingerprint = false
    var bytes = plain.encoded()
    // The length in the header counts the code when the code is computed, and the fingerprint when that is.
    Self.setLength(of: &bytes, to: bytes.count + Self.integrityAttributeLength)
    let integrity = code(bytes)
    precondition(integrity.count == Self.integrityLength, "a code has \(Self.integrityLength) bytes")
    bytes.append(bigEndian: STUNAttribute.Kind.messageIntegritySHA256)
    bytes.append(bigEndian: UInt16(Self.integrityLength))
    bytes += integrity
    Self.setLength(of: &bytes, to: bytes.count + Self.fingerprintLength)
    let fingerprint = Self.fingerprint(of: bytes[...])
    bytes.append(bigEndian: STUNAttribute.Kind.fingerprint)
    bytes.append(bigEndian: UInt16(4))
    bytes.append(bigEndian: fingerprint)
    return bytes
  }

  /// What a code at the end of a datagram protects, and that code; nil unless code and fingerprint end it, as ``encoded(integrity:)`` has it.
  package static func protectedPart(of datagram: [UInt8]) -> (text: [UInt8], code: [UInt8])? {
    let textLength = datagram.count - integrityAttributeLength - fingerprintLength
    guard textLength >= headerLength, datagram.count <= Int(UInt16.max) else { return nil }
    var attribute = ByteReader(datagram[textLength...])
    guard attribute.integer(UInt16.self) == STUNAttribute.Kind.messageIntegritySHA256,
      attribute.integer(UInt16.self) == UInt16(integrityLength), let code = attribute.bytes(integrityLength)
    else { return nil }
    var text = Array(datagram.prefix(textLength))
    setLength(of: &text, to: textLength + integrityAttributeLength)
    return (text, Array(code))
  }

  private static func setLength(of bytes: inout [UInt8], to total: Int) {
    let length = total - headerLength
    precondition(length <= UInt16.max, "a STUN message holds at most 65535 bytes of attributes")
    bytes[2] = UInt8(length >> 8)
    bytes[3] = UInt8(length & 0xFF)
  }
}
