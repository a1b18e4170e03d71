import Datagrams

/// A STUN message (RFC 8489 5), decoded.
///
///      0                   1                   2                   3
///      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |0 0|  class and method         |         length                |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |                       magic cookie                            |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |                transaction id (96 bits)                       |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |     attributes: type (16), length (16), value, padding to 4   |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
public struct STUNMessage: Hashable, Sendable {
  /// The role of a message in its transaction.
  public enum Class: UInt8, Hashable, Sendable, CaseIterable {
    case request
    case indication
    case success
    case error
  }

  /// The Binding method, the only one here.
  public static let bindingMethod: UInt16 = 1

  static let headerLength = 20
  /// More than any server sends; a datagram full of empty attributes is an attack on whoever walks over them.
  static let maximumAttributes = 64

  /// The role of the message.
  public var messageClass: Class
  /// The method, 12 bits.
  public var method: UInt16
  /// What ties the response to the request.
  public var transactionID: STUNTransactionID
  /// The attributes in the order of the wire, without FINGERPRINT.
  public var attributes: [STUNAttribute]
  /// Whether a (correct) FINGERPRINT ends the message.
  public var hasFingerprint: Bool

  /// A Binding message.
  public init(
    _ messageClass: Class, transactionID: STUNTransactionID, attributes: [STUNAttribute] = [],
    hasFingerprint: Bool = false
  ) {
    self.messageClass = messageClass
    self.method = Self.bindingMethod
    self.transactionID = transactionID
    self.attributes = attributes
    self.hasFingerprint = hasFingerprint
  }
}

extension STUNMessage {
  /// The first value that `read` finds: RFC 8489 14 lets only the first attribute of a type count.
  func first<Value>(_ read: (STUNAttribute) -> Value?) -> Value? {
    for attribute in attributes {
      if let value = read(attribute) { return value }
    }
    return nil
  }

  /// The requester's endpoint as the server saw it: XOR-MAPPED-ADDRESS, or MAPPED-ADDRESS of an RFC 3489 server.
  public var mappedEndpoint: Endpoint? {
    first { if case .xorMappedAddress(let endpoint) = $0 { endpoint } else { nil } }
      ?? first { if case .mappedAddress(let endpoint) = $0 { endpoint } else { nil } }
  }

  /// Where else the server answers: OTHER-ADDRESS (RFC 5780), or CHANGED-ADDRESS of an RFC 3489 server.
  public var otherEndpoint: Endpoint? {
    first { if case .otherAddress(let endpoint) = $0 { endpoint } else { nil } }
      ?? first { if case .changedAddress(let endpoint) = $0 { endpoint } else { nil } }
  }

  /// The ERROR-CODE of an error response.
  public var errorCode: STUNErrorCode? {
    first { if case .errorCode(let code) = $0 { code } else { nil } }
  }

  /// The name of the sender's software.
  public var software: String? {
    first { if case .software(let name) = $0 { name } else { nil } }
  }

  /// The types of attributes that must be understood and are not: a request with any gets a 420, a response with any
  /// is a failure (RFC 8489 6.3).
  public var unknownComprehensionRequired: [UInt16] {
    attributes.compactMap { attribute in
      guard case .other(let type, _) = attribute, type < STUNAttribute.Kind.firstOptional,
        !STUNAttribute.Kind.needNoHandling.contains(type)
      else { return nil }
      return type
    }
  }
}
