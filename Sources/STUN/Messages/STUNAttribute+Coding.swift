import Datagrams

extension STUNAttribute {
  /// Longest text of SOFTWARE and of a reason phrase (RFC 8489 14.8, 14.14).
  static let maximumTextLength = 763

  /// Reads a value; nil where it does not fit its type.
  init?(type: UInt16, value: ArraySlice<UInt8>, transactionID: STUNTransactionID) {
    var reader = ByteReader(value)
    switch type {
    case Kind.mappedAddress: self.init(Self.endpoint(from: value), as: STUNAttribute.mappedAddress)
    case Kind.sourceAddress: self.init(Self.endpoint(from: value), as: STUNAttribute.sourceAddress)
    case Kind.changedAddress: self.init(Self.endpoint(from: value), as: STUNAttribute.changedAddress)
    case Kind.responseOrigin: self.init(Self.endpoint(from: value), as: STUNAttribute.responseOrigin)
    case Kind.otherAddress: self.init(Self.endpoint(from: value), as: STUNAttribute.otherAddress)
    case Kind.xorMappedAddress:
      self.init(Self.endpoint(from: value)?.obscured(with: transactionID), as: STUNAttribute.xorMappedAddress)
    case Kind.changeRequest:
      guard value.count == 4, let flags = reader.integer(UInt32.self) else { return nil }
      self = .changeRequest(STUNChangeRequest(rawValue: flags))
    case Kind.errorCode:
      guard reader.bytes(2) != nil, let hundreds = reader.integer(UInt8.self), let rest = reader.integer(UInt8.self),
        case let hundreds = hundreds & 0x7, (3...6).contains(hundreds), rest < 100
      else { return nil }
      // The phrase is for people only: an overlong or garbled one costs nothing but itself.
      let reason = Self.text(from: reader.rest) ?? ""
      self = .errorCode(STUNErrorCode(code: Int(hundreds) * 100 + Int(rest), reason: reason))
    case Kind.unknownAttributes:
      guard value.count.isMultiple(of: 2) else { return nil }
      var types: [UInt16] = []
      while let type = reader.integer(UInt16.self) { types.append(type) }
      self = .unknownAttributes(types)
    case Kind.software:
      self.init(Self.text(from: value), as: STUNAttribute.software)
    case Kind.padding:
      self.init(UInt16(exactly: value.count), as: STUNAttribute.padding)
    case Kind.responsePort:
      // Some write the two bytes of padding into the length.
      guard value.count == 2 || value.count == 4 else { return nil }
      self.init(reader.integer(UInt16.self), as: STUNAttribute.responsePort)
    default:
      self = .other(type: type, value: Array(value))
    }
  }

  private init?<Value>(_ value: Value?, as make: (Value) -> STUNAttribute) {
    guard let value else { return nil }
    self = make(value)
  }

  /// Appends type, length, value and padding.
  func encode(into bytes: inout [UInt8], transactionID: STUNTransactionID) {
    bytes.append(bigEndian: type)
    let lengthOffset = bytes.count
    bytes.append(bigEndian: UInt16(0))
    switch self {
    case .mappedAddress(let endpoint), .sourceAddress(let endpoint), .changedAddress(let endpoint),
      .responseOrigin(let endpoint), .otherAddress(let endpoint):
      Self.append(endpoint, to: &bytes)
    case .xorMappedAddress(let endpoint):
      Self.append(endpoint.obscured(with: transactionID), to: &bytes)
    case .changeRequest(let change):
      bytes.append(bigEndian: change.rawValue)
    case .errorCode(let error):
      bytes += [0, 0, UInt8(clamping: error.code / 100), UInt8(clamping: error.code % 100)]
      bytes += error.reason.utf8.prefix(Self.maximumTextLength)
    case .unknownAttributes(let types):
      for type in types { bytes.append(bigEndian: type) }
    case .software(let name):
      bytes += name.utf8.prefix(Self.maximumTextLength)
    case .padding(let count):
      bytes += repeatElement(0, count: Int(count))
    case .responsePort(let port):
      bytes.append(bigEndian: port)
    case .other(_, let value):
      bytes += value
    }
    let length = bytes.count - lengthOffset - 2
    precondition(length <= UInt16.max, "an attribute holds at most 65535 bytes")
    bytes[lengthOffset] = UInt8(length >> 8)
    bytes[lengthOffset + 1] = UInt8(length & 0xFF)
    bytes += repeatElement(0, count: -length & 3)
  }

  private static func text(from bytes: ArraySlice<UInt8>) -> String? {
    bytes.count <= maximumTextLength ? String(validating: bytes, as: UTF8.self) : nil
  }

  private static func endpoint(from value: ArraySlice<UInt8>) -> Endpoint? {
    var reader = ByteReader(value)
    guard reader.bytes(1) != nil, let family = reader.integer(UInt8.self), let port = reader.integer(UInt16.self),
      let address = IPAddress(bytes: reader.rest), family == address.family.stunCode
    else { return nil }
    return Endpoint(address: address, port: port)
  }

  private static func append(_ endpoint: Endpoint, to bytes: inout [UInt8]) {
    bytes += [0, endpoint.address.family.stunCode]
    bytes.append(bigEndian: endpoint.port)
    switch endpoint.address {
    case .v4(let bits):
      bytes.append(bigEndian: bits)
    case .v6(let high, let low):
      bytes.append(bigEndian: high)
      bytes.append(bigEndian: low)
    }
  }
}

extension Endpoint {
  /// The endpoint as XOR-MAPPED-ADDRESS carries it, and back (RFC 8489 14.2), so that NATs do not find and rewrite it.
  fileprivate func obscured(with id: STUNTransactionID) -> Endpoint {
    let cookie = STUNTransactionID.magicCookie
    let port = port ^ UInt16(cookie >> 16)
    return switch address {
    case .v4(let bits): Endpoint(address: .v4(bits ^ cookie), port: port)
    case .v6(let high, let low):
      Endpoint(address: .v6(high: high ^ (UInt64(cookie) << 32 | UInt64(id.high)), low: low ^ id.low), port: port)
    }
  }
}

extension IPAddress.Family {
  fileprivate var stunCode: UInt8 {
    switch self {
    case .v4: 1
    case .v6: 2
    }
  }
}
