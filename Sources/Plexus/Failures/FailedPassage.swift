import FoundationEssentials
import HolePunching
import Identity

/// A passage that did not come about, as it is remembered.
public struct FailedPassage: Hashable, Sendable {
  /// When it was given up.
  public var time: Date
  /// With whom it should have been.
  public var peer: IdentityName
  /// Which side this host was.
  public var role: PunchRole
  /// The kind of failure.
  public var code: PlexusError.Code
  /// What happened, to whom: it names the layer that failed.
  public var message: String
  /// What to do next; empty where the message says it.
  public var advice: String
  /// What was known of the NATs before this host; nil where it did not come to telling it.
  public var ownTraits: NATTraits?
  /// What the peer told of its own.
  public var peerTraits: NATTraits?

  /// The message and the advice, in one line.
  public var sentence: String { advice.isEmpty ? message : "\(message); \(advice)" }

  init(_ error: PlexusError, with peer: IdentityName, as role: PunchRole, at time: Date) {
    let failure = error.cause as? PathFailure
    self.time = time
    self.peer = peer
    self.role = role
    code = error.code
    message = String(error.message.prefix(Self.longestText))
    advice = String(error.advice.prefix(Self.longestText))
    (ownTraits, peerTraits) = (failure?.ownTraits, failure?.peerTraits)
  }

  /// Sentences may quote a peer.
  private static let longestText = 1000
}

// The names are documented in docs/doctor.md, and what other programs read: keep them.

extension FailedPassage: Codable {
  private enum CodingKeys: String, CodingKey { case time, peer, role, code, message, advice, ownTraits, peerTraits }

  /// Reads what ``encode(to:)`` has written.
  ///
  /// - Throws: `DecodingError` for anything else.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    time = try Date(container.decode(String.self, forKey: .time), strategy: .iso8601)
    peer = try IdentityName(container.decode(String.self, forKey: .peer))
    func word<Value>(_ key: CodingKeys, _ read: (String) -> Value?) throws -> Value {
      guard let value = read(try container.decode(String.self, forKey: key)) else {
        throw DecodingError.dataCorruptedError(forKey: key, in: container, debugDescription: "an unknown word")
      }
      return value
    }
    role = try word(.role, PunchRole.init(rawValue:))
    code = try word(.code, PlexusError.Code.init(rawValue:))
    message = try container.decode(String.self, forKey: .message)
    advice = try container.decode(String.self, forKey: .advice)
    ownTraits = try container.decodeIfPresent(String.self, forKey: .ownTraits).flatMap { NATTraits($0) }
    peerTraits = try container.decodeIfPresent(String.self, forKey: .peerTraits).flatMap { NATTraits($0) }
  }

  /// Writes times as in ISO 8601, and names and traits as text.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(time.formatted(.iso8601), forKey: .time)
    try container.encode(peer.description, forKey: .peer)
    try container.encode(role.rawValue, forKey: .role)
    try container.encode(code.rawValue, forKey: .code)
    try container.encode(message, forKey: .message)
    try container.encode(advice, forKey: .advice)
    try container.encode(ownTraits?.description, forKey: .ownTraits)
    try container.encode(peerTraits?.description, forKey: .peerTraits)
  }
}
