import Datagrams
import FoundationEssentials
import Identity

/// The message that travels beside a reference line, under a key of its own or as a second part of the mail: the same reference and a
/// supplement, bound to all that the line leaves open.
///
/// The line of version 3.0 says neither whom it is for nor what it answers, so that an old one can be put again elsewhere. This one
/// names sender, recipient, application, invite and time, all below the sender's signature and the encryption to the recipient.
/// On the wire it is one JSON object.
public struct CompanionMessage: Hashable, Sendable {
  /// What the message is.
  public enum Kind: Hashable, Sendable {
    /// Of an invite.
    case invite
    /// Of the answer to the invite that had this puzzle. The puzzle is a secret of the two.
    case accept(question: UInt64)
  }

  /// What it is bound to besides its kind.
  public struct Binding: Hashable, Sendable {
    /// Who signs it.
    public var sender: CertificateID
    /// Whom it is encrypted to.
    public var recipient: CertificateID
    /// What it is for.
    public var application: String
    /// The number of the invite; nil where the rendezvous has none, as in mails.
    public var invite: UInt64?

    /// Joins the parts.
    public init(sender: CertificateID, recipient: CertificateID, application: String, invite: UInt64?) {
      (self.sender, self.recipient) = (sender, recipient)
      (self.application, self.invite) = (application, invite)
    }
  }

  /// What it is.
  public let kind: Kind
  /// What it is bound to.
  public let binding: Binding
  /// When it was made, Unix seconds at the sender.
  public let time: UInt64
  /// Has the supplement as text.
  public let reference: Reference

  /// How many bytes a message may have: a supplement full of quotes, and the rest.
  public static let lengthAtMost = 2 * Supplement.lengthAtMost + 1024
  /// How far clocks may be apart, in seconds: as for the numbers of invites.
  public static let clockTolerance: UInt64 = 15 * 60

  /// Joins the parts.
  public init(_ kind: Kind, binding: Binding, time: UInt64, reference: Reference) {
    (self.kind, self.binding, self.time, self.reference) = (kind, binding, time, reference)
  }

  // MARK: Reading and writing

  /// Whether a text that came is a companion and no line.
  public static func isCompanion(_ text: String) -> Bool { text.utf8.first == UInt8(ascii: "{") }

  /// Reads a text, and checks that it is for us, of that peer, of now.
  ///
  /// - Throws: ``CompanionError``, in words without what the peer wrote.
  public init(
    text: String, kind: Kind, binding: Binding, now: UInt64
  ) throws(CompanionError) {
    guard text.utf8.count <= Self.lengthAtMost else { throw .malformed }
    let wire: Wire
    do { wire = try JSONDecoder().decode(Wire.self, from: Data(text.utf8)) } catch { throw .malformed }
    guard wire.version == Self.version else { throw .unknownVersion }
    guard wire.supplement.utf8.count <= Supplement.lengthAtMost, let time = UInt64(wire.time) else { throw .malformed }
    guard wire == Wire(kind: kind, binding: binding, time: time, line: wire.line, supplement: wire.supplement) else {
      throw .boundElsewhere
    }
    guard (time > now ? time - now : now - time) <= Self.clockTolerance else { throw .stale }
    let plain: Reference
    do { plain = try Reference(line: wire.line) } catch { throw .badReference(error) }
    self.init(kind, binding: binding, time: time, reference: plain.with(.text(wire.supplement)))
  }

  /// The text; nil without a supplement.
  public var text: String? {
    guard let supplement = reference.supplement.text, supplement.utf8.count <= Supplement.lengthAtMost else {
      return nil
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let wire = Wire(kind: kind, binding: binding, time: time, line: reference.line, supplement: supplement)
    return (try? encoder.encode(wire)).map { String(decoding: $0, as: UTF8.self) }
  }

  private static let version = 1

  /// Numbers of 64 bits are texts: not every reader of JSON keeps their last digits.
  private struct Wire: Codable, Equatable {
    var version = CompanionMessage.version
    var kind: String
    var from: String
    var to: String
    var application: String
    var invite: String?
    var question: String?
    var time: String
    var line: String
    var supplement: String

    enum CodingKeys: String, CodingKey {
      case version = "plexus"
      case kind, from, to, application, invite, question, time, line, supplement
    }

    init(kind: Kind, binding: Binding, time: UInt64, line: String, supplement: String) {
      switch kind {
      case .invite: self.kind = "invite"
      case .accept(let puzzle): (self.kind, question) = ("accept", String(puzzle))
      }
      (from, to) = ("\(binding.sender)", "\(binding.recipient)")
      application = binding.application
      invite = binding.invite.map { String($0) }
      self.time = String(time)
      (self.line, self.supplement) = (line, supplement)
    }
  }
}

/// Why a companion is not taken.
public enum CompanionError: Error, Hashable, Sendable, CustomStringConvertible {
  /// No message of this kind, or too long.
  case malformed
  /// A version that this release does not know.
  case unknownVersion
  /// For another sender, recipient, application or invite.
  case boundElsewhere
  /// More than 15 minutes from the present.
  case stale
  /// The line in it is unusable.
  case badReference(ReferenceError)

  /// What is wrong, without any of what the peer wrote.
  public var description: String {
    switch self {
    case .malformed: "it is no companion message"
    case .unknownVersion: "it is a companion message of another version"
    case .boundElsewhere: "it is bound to another sender, recipient, application or invite"
    case .stale: "its time is too far from the present"
    case .badReference(let error): error.description
    }
  }
}
