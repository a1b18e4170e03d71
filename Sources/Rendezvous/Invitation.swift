import Identity

/// An invite that came in: verified, decrypted, not seen before.
public struct Invitation: Hashable, Sendable {
  /// Who invites.
  public let peer: PeerIdentity
  /// For which application.
  public let application: String
  /// The number of the invite; the answer carries it. Unix seconds at the inviter, more or less.
  public let id: UInt64
  /// Where the inviter waits, and its half of the secret.
  public let reference: Reference

  /// Joins the parts of an invite.
  public init(peer: PeerIdentity, application: String, id: UInt64, reference: Reference) {
    self.peer = peer
    self.application = application
    self.id = id
    self.reference = reference
  }
}

/// What an acceptor says to an invite.
public enum Answer: Hashable, Sendable {
  /// Come: here I am.
  case accept(Reference)
  /// I cannot serve you, for this reason. Peers that run the reference never learn it.
  case decline(DeclineReason)
}

/// Why an acceptor cannot serve.
public enum DeclineReason: Hashable, Sendable {
  /// Its NAT gives every destination another port, so the inviter could not hit the right one.
  case symmetricNAT
  /// No STUN server told it its public address.
  case noSTUNAnswer
  /// It serves as many as it can.
  case busy
  /// A word that this release does not know: letters, digits and hyphens, at most 40.
  case other(String)

  /// The word on the wire.
  public var word: String {
    switch self {
    case .symmetricNAT: "symmetric-nat"
    case .noSTUNAnswer: "no-stun-answer"
    case .busy: "busy"
    case .other(let word): word
    }
  }

  /// Reads a word; nil unless it is made of lower-case letters, digits and hyphens, 1 to 40.
  public init?(word: String) {
    switch word {
    case "symmetric-nat": self = .symmetricNAT
    case "no-stun-answer": self = .noSTUNAnswer
    case "busy": self = .busy
    default:
      let allowed = Set("abcdefghijklmnopqrstuvwxyz0123456789-".utf8)
      guard 1...40 ~= word.utf8.count, word.utf8.allSatisfy(allowed.contains) else { return nil }
      self = .other(word)
    }
  }
}

/// The text by which an acceptor declines: `PLEXUS-DECLINE 1 REASON PUZZLE`.
///
/// PUZZLE is that of the invite, which only the two know: it binds the text to this one invite, so that an old one put
/// again declines nothing.
public struct DeclineNotice: Hashable, Sendable {
  /// Why.
  public let reason: DeclineReason
  /// The puzzle of the invite that is declined. A secret.
  public let puzzle: UInt64

  /// Declines the invite that had `puzzle`.
  public init(reason: DeclineReason, puzzle: UInt64) {
    self.reason = reason
    self.puzzle = puzzle
  }

  /// Reads a text; nil unless it is a decline of version 1.
  public init?(line: String) {
    guard line.utf8.count <= Reference.lengthAtMost else { return nil }
    let fields = line.whiteSpaceFields
    guard fields.count == 4, fields[0] == "PLEXUS-DECLINE", fields[1] == "1",
      let reason = DeclineReason(word: String(fields[2])), let puzzle = UInt64(digits: fields[3])
    else { return nil }
    self.init(reason: reason, puzzle: puzzle)
  }

  /// The text.
  public var line: String { "PLEXUS-DECLINE 1 \(reason.word) \(puzzle)" }
}
