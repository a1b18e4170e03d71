import Datagrams

/// Messages of the Port Control Protocol (RFC 6887), as far as a host needs them to have its UDP ports forwarded.
///
/// ```
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Version = 2  |R|   Opcode    |   Reserved    |  Result Code  |  the result in responses only
/// |                      Lifetime, seconds                        |
/// | request: the client's address, 16 | response: epoch, 4, and 12 reserved |
/// +-----  MAP only  ----------------------------------------------+
/// |                   Mapping nonce, 12                           |
/// |   Protocol    |                  Reserved                     |
/// |        Internal port          |        External port          |
/// |                   External address, 16                        |
/// ```
enum PCPMessage {
  /// Where routers listen.
  static let port: UInt16 = 5351
  /// Longer ones are none (RFC 6887 7).
  static let maximumLength = 1100
  private static let version: UInt8 = 2
  private static let headerLength = 24
  private static let mapLength = 60
  private static let udp: UInt8 = 17

  enum Opcode: UInt8 { case announce = 0, map = 1 }

  /// Asks whether anybody is there: ANNOUNCE changes nothing (RFC 6887 14.1).
  static func announceRequest(client: IPAddress) -> [UInt8] { header(.announce, lifetime: 0, client: client) }

  /// Asks for a UDP port to be forwarded, or with a lifetime of 0 no more to be (RFC 6887 11.1).
  static func mapRequest(_ request: MappingRequest, lifetime: UInt32, client: IPAddress) -> [UInt8] {
    var bytes = header(.map, lifetime: lifetime, client: client)
    bytes += request.nonce.bytes
    bytes += [udp, 0, 0, 0]
    bytes += bigEndian(request.inner)
    // To remove one, port and address are to be zero (RFC 6887 15).
    bytes += bigEndian(lifetime == 0 ? 0 : request.suggestedPort)
    bytes += mapped(.v4(0))
    return bytes
  }

  private static func header(_ opcode: Opcode, lifetime: UInt32, client: IPAddress) -> [UInt8] {
    [version, opcode.rawValue, 0, 0] + bigEndian(lifetime) + mapped(client)
  }

  /// IPv4 addresses as IPv6 ones (RFC 4291 2.5.5.2).
  private static func mapped(_ address: IPAddress) -> [UInt8] {
    switch address {
    case .v4: [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF] + address.bytes
    case .v6: address.bytes
    }
  }

  private static func bigEndian(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.bigEndian, Array.init)
  }

  /// What a router answers.
  enum Response: Hashable, Sendable {
    /// Somebody is there.
    case announce(Header)
    /// A mapping, if the header's result is success.
    case map(Header, Mapping)
    /// A refusal whose rest does not matter, because there is none or nobody needs it.
    case failure(Header, opcode: UInt8)
    /// The router speaks NAT-PMP only, which answers with version 0 (RFC 6887 9).
    case otherVersion(UInt8)
  }

  /// What all responses begin with.
  struct Header: Hashable, Sendable {
    var result: PCPResult
    /// Of the mapping or, with an error, how long that will last. Seconds.
    var lifetime: UInt32
    /// Seconds since the router lost its mappings.
    var epoch: UInt32
  }

  /// What a MAP response says.
  struct Mapping: Hashable, Sendable {
    var nonce: PCPNonce
    var inner: UInt16
    var external: Endpoint
  }

  /// Reads a response; nil for anything else.
  static func decodeResponse(_ bytes: [UInt8]) -> Response? {
    guard bytes.count >= 4, bytes.count <= maximumLength, bytes[1] & 0x80 != 0 else { return nil }
    guard bytes[0] == version else { return .otherVersion(bytes[0]) }
    guard bytes.count >= headerLength, bytes.count.isMultiple(of: 4) else { return nil }
    let header = Header(
      result: PCPResult(code: bytes[3]), lifetime: UInt32(bytes, at: 4), epoch: UInt32(bytes, at: 8))
    switch (Opcode(rawValue: bytes[1] & 0x7F), header.result) {
    case (.announce, .success): return .announce(header)
    case (.map, .success):
      guard bytes.count >= mapLength, bytes[36] == udp, let nonce = PCPNonce(bytes: bytes[24..<36]),
        let address = IPAddress(bytes: bytes[44..<60])
      else { return nil }
      let external = Endpoint(address: address.unmapped, port: UInt16(bytes[42]) << 8 | UInt16(bytes[43]))
      return .map(header, Mapping(nonce: nonce, inner: UInt16(bytes[40]) << 8 | UInt16(bytes[41]), external: external))
    case (_, .success): return nil
    default:
      // A refusal to MAP copies the request: another's need not concern us.
      return .failure(header, opcode: bytes[1] & 0x7F)
    }
  }
}

extension UInt32 {
  /// Four bytes that are there.
  fileprivate init(_ bytes: [UInt8], at index: Int) {
    self = bytes[index..<index + 4].reduce(0) { $0 << 8 | UInt32($1) }
  }
}

/// 96 random bits by which a router knows whose mapping it is.
struct PCPNonce: Hashable, Sendable {
  let bytes: [UInt8]

  init(using random: inout some RandomNumberGenerator) {
    bytes = (0..<12).map { _ in UInt8.random(in: .min ... .max, using: &random) }
  }

  init?(bytes: some Collection<UInt8>) {
    guard bytes.count == 12 else { return nil }
    self.bytes = Array(bytes)
  }
}

/// RFC 6887 7.4.
struct PCPResult: Hashable, Sendable {
  let code: UInt8
  static let success = PCPResult(code: 0)
  static let unsupportedOpcode = PCPResult(code: 4)

  /// What the code means.
  var words: String {
    switch code {
    case 0: "success"
    case 1: "it knows another version only"
    case 2: "it is not allowed to this host (NOT_AUTHORIZED)"
    case 3: "it finds the request malformed"
    case 4: "it knows no such request"
    case 5: "it knows no such option"
    case 6: "it finds an option malformed"
    case 7: "it has no way to the internet itself, or a private address only (NETWORK_FAILURE)"
    case 8: "it has no room for more (NO_RESOURCES)"
    case 9: "it does not forward UDP"
    case 10: "this host has as many ports as it may (USER_EX_QUOTA)"
    case 11: "it cannot give such an external port"
    case 12: "another NAT lies between this host and it (ADDRESS_MISMATCH)"
    default: "result \(code)"
    }
  }
}
