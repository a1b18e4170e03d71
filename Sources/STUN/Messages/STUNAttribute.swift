import Datagrams

/// An attribute of a STUN message: those of Binding and of behaviour discovery decoded, any other as it came.
public enum STUNAttribute: Hashable, Sendable {
  /// MAPPED-ADDRESS, the requester's endpoint in the clear (some NATs rewrite it).
  case mappedAddress(Endpoint)
  /// XOR-MAPPED-ADDRESS, the requester's endpoint.
  case xorMappedAddress(Endpoint)
  /// CHANGE-REQUEST (RFC 5780 7.2), where the answer shall come from.
  case changeRequest(STUNChangeRequest)
  /// SOURCE-ADDRESS (RFC 3489), where the answer comes from.
  case sourceAddress(Endpoint)
  /// CHANGED-ADDRESS (RFC 3489), where else the server answers.
  case changedAddress(Endpoint)
  /// ERROR-CODE.
  case errorCode(STUNErrorCode)
  /// UNKNOWN-ATTRIBUTES, the types that a 420 is about.
  case unknownAttributes([UInt16])
  /// SOFTWARE, at most 763 bytes; written by a stranger, so escape it before showing it.
  case software(String)
  /// PADDING (RFC 5780 7.6), a number of bytes that mean nothing.
  case padding(count: UInt16)
  /// RESPONSE-PORT (RFC 5780 7.5), the port that the answer shall go to.
  case responsePort(UInt16)
  /// RESPONSE-ORIGIN (RFC 5780 7.3), where the answer comes from.
  case responseOrigin(Endpoint)
  /// OTHER-ADDRESS (RFC 5780 7.4), where an answer with both changes would come from.
  case otherAddress(Endpoint)
  /// Any other attribute, or an optional one whose value makes no sense.
  case other(type: UInt16, value: [UInt8])
}

/// Which parts of its own endpoint a server shall change for its answer (RFC 5780 7.2).
public struct STUNChangeRequest: OptionSet, Hashable, Sendable {
  /// The flags as on the wire.
  public let rawValue: UInt32

  /// Takes flags as on the wire; unknown ones are dropped.
  public init(rawValue: UInt32) { self.rawValue = rawValue & 0x6 }

  private init(flag: UInt32) { rawValue = flag }

  /// Answer from the other IP address.
  public static let address = STUNChangeRequest(flag: 0x4)
  /// Answer from the other port.
  public static let port = STUNChangeRequest(flag: 0x2)
}

/// The content of ERROR-CODE.
public struct STUNErrorCode: Hashable, Sendable {
  /// 300 to 699.
  public var code: Int
  /// A phrase for people, at most 763 bytes; written by a stranger, so escape it before showing it.
  public var reason: String

  /// Joins a code and a phrase.
  public init(code: Int, reason: String) {
    self.code = code
    self.reason = reason
  }
}

extension STUNAttribute {
  /// The registered types (RFC 8489 18.3, RFC 5780 9.1, RFC 3489 11.2).
  enum Kind {
    static let mappedAddress: UInt16 = 0x0001
    static let changeRequest: UInt16 = 0x0003
    static let sourceAddress: UInt16 = 0x0004
    static let changedAddress: UInt16 = 0x0005
    static let errorCode: UInt16 = 0x0009
    static let unknownAttributes: UInt16 = 0x000A
    static let messageIntegritySHA256: UInt16 = 0x001C
    static let xorMappedAddress: UInt16 = 0x0020
    static let padding: UInt16 = 0x0026
    static let responsePort: UInt16 = 0x0027
    static let software: UInt16 = 0x8022
    static let fingerprint: UInt16 = 0x8028
    static let responseOrigin: UInt16 = 0x802B
    static let otherAddress: UInt16 = 0x802C

    /// From here on an agent may ignore what it does not know.
    static let firstOptional: UInt16 = 0x8000

    /// Required types that RFC 8489 defines and that need no handling where nobody authenticates: USERNAME, PASSWORD,
    /// MESSAGE-INTEGRITY, REFLECTED-FROM, REALM, NONCE, MESSAGE-INTEGRITY-SHA256, PASSWORD-ALGORITHM, USERHASH.
    static let needNoHandling: Set<UInt16> = [
      0x0006, 0x0007, 0x0008, 0x000B, 0x0014, 0x0015, 0x001C, 0x001D, 0x001E,
    ]
  }

  /// The attribute's type on the wire.
  public var type: UInt16 {
    switch self {
    case .mappedAddress: Kind.mappedAddress
    case .xorMappedAddress: Kind.xorMappedAddress
    case .changeRequest: Kind.changeRequest
    case .sourceAddress: Kind.sourceAddress
    case .changedAddress: Kind.changedAddress
    case .errorCode: Kind.errorCode
    case .unknownAttributes: Kind.unknownAttributes
    case .software: Kind.software
    case .padding: Kind.padding
    case .responsePort: Kind.responsePort
    case .responseOrigin: Kind.responseOrigin
    case .otherAddress: Kind.otherAddress
    case .other(let type, _): type
    }
  }
}
