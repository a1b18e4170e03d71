import Crypto
import Datagrams
import STUN

/// One datagram of the checks: a STUN Binding message (RFC 8489) as ICE uses it (RFC 8445 7), always with USERNAME, if it asks,
/// MESSAGE-INTEGRITY-SHA256 and FINGERPRINT.
///
/// | message | from | attributes | says |
/// |---|---|---|---|
/// | request | both | PRIORITY | does this path work? |
/// | request | inviter | PRIORITY, USE-CANDIDATE, NOMINATION, XOR-MAPPED-ADDRESS | I choose this path, on which you are there |
/// | success | both | XOR-MAPPED-ADDRESS | it does; or: I take it |
/// | indication | inviter | USE-CANDIDATE, NOMINATION | I know that you took it: begin |
/// | indication | acceptor | USE-CANDIDATE, NOMINATION | I have begun |
///
/// Roles are those of the rendezvous, and each direction has a key, so neither tie-breakers nor role conflicts exist.
struct CheckMessage: Hashable, Sendable {
  enum Content: Hashable, Sendable {
    case request(priority: UInt32, nomination: Nomination?)
    case success(mapped: Endpoint)
    case begin(nomination: UInt32)
  }

  /// A choice of the inviter's.
  struct Nomination: Hashable, Sendable {
    /// Higher than that of any choice before.
    var number: UInt32
    /// Where the inviter reaches the acceptor, so that both name the ends of the path alike.
    var place: Endpoint
  }

  /// Types of RFC 8445 16.1; NOMINATION is that of the draft on renomination (draft-thatcher-ice-renomination).
  private enum Kind {
    static let username: UInt16 = 0x0006
    static let priority: UInt16 = 0x0024
    static let useCandidate: UInt16 = 0x0025
    static let nomination: UInt16 = 0xC001
  }

  var id: STUNTransactionID
  var content: Content

  init(_ content: Content, id: STUNTransactionID) {
    (self.content, self.id) = (content, id)
  }

  /// Reads what came in; nil if the peer of this attempt did not send it.
  init?(decoding datagram: [UInt8], keys: CheckKeys) {
    // The code first: all that follows is the peer's word.
    guard datagram.count <= Self.maximumLength, let (text, code) = STUNMessage.protectedPart(of: datagram),
      HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: text, using: keys.peer),
      let message = try? STUNMessage(decoding: datagram), message.hasFingerprint,
      message.method == STUNMessage.bindingMethod
    else { return nil }
    func value(_ kind: UInt16) -> [UInt8]? {
      for attribute in message.attributes {
        if case .other(kind, let value) = attribute { return value }
      }
      return nil
    }
    func number(_ kind: UInt16) -> UInt32? {
      value(kind).flatMap { $0.count == 4 ? $0.reduce(0) { $0 << 8 | UInt32($1) } : nil }
    }
    let choice = value(Kind.useCandidate) == nil ? nil : number(Kind.nomination)
    switch message.messageClass {
    case .request:
      guard value(Kind.username) == keys.peerName, let priority = number(Kind.priority) else { return nil }
      // Whoever chooses says where.
      guard (choice == nil) == (message.mappedEndpoint == nil) else { return nil }
      content = .request(
        priority: priority,
        nomination: choice.flatMap { number in message.mappedEndpoint.map { Nomination(number: number, place: $0) } })
    case .success:
      guard let mapped = message.mappedEndpoint else { return nil }
      content = .success(mapped: mapped)
    case .indication:
      guard let choice else { return nil }
      content = .begin(nomination: choice)
    case .error: return nil
    }
    id = message.transactionID
  }

  /// No message of this kind is longer: a request with a choice has 152 bytes at most, an answer over IPv6 88.
  private static let maximumLength = 256

  /// The datagram, signed.
  func encoded(keys: CheckKeys) -> [UInt8] {
    let message: STUNMessage
    switch content {
    case .request(let priority, let nomination):
      message = STUNMessage(
        .request, transactionID: id,
        attributes: [.other(type: Kind.username, value: keys.ownName), Self.number(Kind.priority, priority)]
          + Self.choice(nomination?.number) + (nomination.map { [.xorMappedAddress($0.place)] } ?? []))
    case .success(let mapped):
      message = STUNMessage(.success, transactionID: id, attributes: [.xorMappedAddress(mapped)])
    case .begin(let nomination):
      message = STUNMessage(.indication, transactionID: id, attributes: Self.choice(nomination))
    }
    return message.encoded { Array(HMAC<SHA256>.authenticationCode(for: $0, using: keys.own)) }
  }

  private static func choice(_ number: UInt32?) -> [STUNAttribute] {
    number.map { [.other(type: Kind.useCandidate, value: []), Self.number(Kind.nomination, $0)] } ?? []
  }

  private static func number(_ kind: UInt16, _ value: UInt32) -> STUNAttribute {
    .other(type: kind, value: withUnsafeBytes(of: value.bigEndian) { Array($0) })
  }
}
