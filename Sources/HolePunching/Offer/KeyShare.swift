import Crypto
import FoundationEssentials

/// A side's half of what the keys of the checks are made of: 32 random bytes. Its description hides them.
public struct KeyShare: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The number of bytes.
  public static let length = 32

  let bytes: [UInt8]

  /// Draws a share; the generator must be cryptographically secure.
  public init(using random: inout some RandomNumberGenerator) {
    bytes = (0..<Self.length).map { _ in UInt8.random(in: 0...UInt8.max, using: &random) }
  }

  /// Takes a share as the peer told it; nil unless it has 32 bytes.
  public init?(_ bytes: [UInt8]) {
    guard bytes.count == Self.length else { return nil }
    self.bytes = bytes
  }

  /// Never the bytes.
  public var description: String { "(key share)" }
  /// Never the bytes.
  public var debugDescription: String { description }
  /// Nothing to see.
  public var customMirror: Mirror { Mirror(self, children: []) }
}

extension KeyShare: Codable {
  /// Reads base64.
  ///
  /// - Throws: `DecodingError` for anything but 32 bytes.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard text.utf8.count <= 64, let data = Data(base64Encoded: text), let share = KeyShare(Array(data)) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "no key share of 32 bytes")
    }
    self = share
  }

  /// Writes base64.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(Data(bytes).base64EncodedString())
  }
}

/// The keys of the checks of one attempt: one for each direction, so that nobody can send a side its own datagrams back.
struct CheckKeys: Sendable {
  let own: SymmetricKey
  let peer: SymmetricKey
  /// USERNAME of what goes out and of what comes in: who is asked, who asks (RFC 8445 7.2.2). They name the attempt and are no secret.
  let ownName: [UInt8]
  let peerName: [UInt8]

  init(role: PunchRole, own: KeyShare, peer: KeyShare) {
    let (inviter, acceptor) = role == .inviting ? (own, peer) : (peer, own)
    let input = SymmetricKey(data: inviter.bytes + acceptor.bytes)
    func derive(_ purpose: String, _ count: Int) -> SymmetricKey {
      HKDF<SHA256>.deriveKey(
        inputKeyMaterial: input, info: Data("plexus checks 1 \(purpose)".utf8), outputByteCount: count)
    }
    func name(_ purpose: String) -> [UInt8] {
      let bytes = derive(purpose, 4).withUnsafeBytes { Array($0) }
      return bytes.flatMap { byte in [byte >> 4, byte & 0xF].map { $0 + ($0 < 10 ? 0x30 : 0x57) } }
    }
    let keys = (inviting: derive("inviter key", 32), accepting: derive("acceptor key", 32))
    let names = (inviting: name("inviter name"), accepting: name("acceptor name"))
    switch role {
    case .inviting:
      (self.own, self.peer) = (keys.inviting, keys.accepting)
      ownName = names.accepting + [0x3A] + names.inviting
      peerName = names.inviting + [0x3A] + names.accepting
    case .accepting:
      (self.own, self.peer) = (keys.accepting, keys.inviting)
      ownName = names.inviting + [0x3A] + names.accepting
      peerName = names.accepting + [0x3A] + names.inviting
    }
  }
}
