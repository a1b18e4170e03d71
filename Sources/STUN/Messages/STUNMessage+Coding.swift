import Datagrams

/// Why a datagram is no STUN message.
public enum STUNDecodingError: Error, Hashable, Sendable, CustomStringConvertible {
  /// It is shorter than a header, or its first two bits are set: another protocol.
  case notSTUN
  /// The length in the header is not that of the datagram, or an attribute reaches beyond the end.
  case wrongLength
  /// It has more attributes than any server sends.
  case tooManyAttributes
  /// An attribute that must be understood has a value that does not fit its type.
  case malformedAttribute(type: UInt16)
  /// FINGERPRINT does not match, or is not the last attribute.
  case wrongFingerprint

  /// What is wrong with the datagram.
  public var description: String {
    switch self {
    case .notSTUN: "no STUN message"
    case .wrongLength: "a STUN message of the wrong length"
    case .tooManyAttributes: "a STUN message with more than \(STUNMessage.maximumAttributes) attributes"
    case .malformedAttribute(let type): "a STUN message with a malformed attribute 0x\(String(type, radix: 16))"
    case .wrongFingerprint: "a STUN message with a wrong fingerprint"
    }
  }
}

extension STUNMessage {
  static let fingerprintLength = 8
  private static let fingerprintMask: UInt32 = 0x5354_554E

  /// Reads a whole datagram.
  ///
  /// Messages without the magic cookie are taken too, as RFC 3489 wrote them.
  /// - Throws: ``STUNDecodingError``; any bytes whatever are safe to pass.
  public init(decoding bytes: [UInt8]) throws(STUNDecodingError) {
    var reader = ByteReader(bytes[...])
    guard let type = reader.integer(UInt16.self), type >> 14 == 0,
      let messageClass = Class(rawValue: UInt8(type >> 4 & 1 | type >> 7 & 2)),
      let length = reader.integer(UInt16.self),
      let cookie = reader.integer(UInt32.self),
      let high = reader.integer(UInt32.self),
      let low = reader.integer(UInt64.self)
    else { throw .notSTUN }
    guard Int(length) == reader.rest.count, length.isMultiple(of: 4) else { throw .wrongLength }
    self.init(messageClass, transactionID: STUNTransactionID(cookie: cookie, high: high, low: low))
    method = type & 0xF | type >> 1 & 0x70 | type >> 2 & 0xF80

    while !reader.rest.isEmpty {
      guard !hasFingerprint else { throw .wrongFingerprint }
      guard attributes.count < Self.maximumAttributes else { throw .tooManyAttributes }
      let start = reader.rest.startIndex
      guard let type = reader.integer(UInt16.self), let length = reader.integer(UInt16.self),
        let value = reader.bytes(Int(length)), reader.bytes(-Int(length) & 3) != nil
      else { throw .wrongLength }
      if type == STUNAttribute.Kind.fingerprint {
        var fingerprint = ByteReader(value)
        guard value.count == 4, fingerprint.integer() == Self.fingerprint(of: bytes[..<start]) else {
          throw .wrongFingerprint
        }
        hasFingerprint = true
      } else if let attribute = STUNAttribute(type: type, value: value, transactionID: transactionID) {
        attributes.append(attribute)
      } else if type >= STUNAttribute.Kind.firstOptional {
        attributes.append(.other(type: type, value: Array(value)))
      } else {
        throw .malformedAttribute(type: type)
      }
    }
  }

  /// The message as a datagram. What was decoded can be encoded again; own messages must stay below 65,536 bytes.
  public func encoded() -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(128)
    let classBits = UInt16(messageClass.rawValue)
    bytes.append(
      bigEndian: method & 0xF | (method & 0x70) << 1 | (method & 0xF80) << 2 | (classBits & 1) << 4
        | (classBits & 2) << 7)
    bytes.append(bigEndian: UInt16(0))
    bytes.append(bigEndian: transactionID.cookie)
    bytes.append(bigEndian: transactionID.high)
    bytes.append(bigEndian: transactionID.low)
    for attribute in attributes { attribute.encode(into: &bytes, transactionID: transactionID) }

    // The length counts the fingerprint already when the fingerprint is computed.
    let length = bytes.count - Self.headerLength + (hasFingerprint ? Self.fingerprintLength : 0)
    precondition(length <= UInt16.max, "a STUN message holds at most 65535 bytes of attributes")
    bytes[2] = UInt8(length >> 8)
    bytes[3] = UInt8(length & 0xFF)
    if hasFingerprint {
      let fingerprint = Self.fingerprint(of: bytes[...])
      bytes.append(bigEndian: STUNAttribute.Kind.fingerprint)
      bytes.append(bigEndian: UInt16(4))
      bytes.append(bigEndian: fingerprint)
    }
    return bytes
  }

  static func fingerprint(of bytes: ArraySlice<UInt8>) -> UInt32 { CRC32.checksum(of: bytes) ^ fingerprintMask }
}
