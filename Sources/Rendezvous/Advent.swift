import Crypto
import Datagrams
import Identity
import Logging

/// A presence notice that came in: verified, decrypted, not seen before. It asks for nothing.
public struct Advent: Hashable, Sendable {
  /// Who is there.
  public let peer: PeerIdentity
  /// For which application.
  public let application: String

  /// Joins the parts of a notice.
  public init(peer: PeerIdentity, application: String) {
    self.peer = peer
    self.application = application
  }
}

/// The text of a presence notice: a reference whose address, port and puzzle are zero.
public enum AdventNotice {
  /// The text.
  public static let line = "PLEXUS 3.0 0.0.0.0 0 0"

  /// Whether a text is a notice, of this version or of another one that begins in the same way.
  public static func isNotice(_ line: String) -> Bool {
    let fields = line.utf8.count <= Reference.lengthAtMost ? line.whiteSpaceFields : []
    guard fields.count >= 5, fields[0] == "PLEXUS", fields[1].hasPrefix("3."),
      let address = IPAddress(String(fields[2])), UInt16(digits: fields[3]) == 0, UInt64(digits: fields[4]) == 0
    else { return false }
    return address == .unspecified(address.family)
  }
}

extension ReplayMemory {
  /// Remembers a message that has no puzzle, by bytes that only its sender could make. As ``isNew(_:of:logger:)`` otherwise.
  package func isNew(message bytes: some Sequence<UInt8>, of peer: CertificateID, logger: Logger) -> Bool {
    let digest = SHA256.hash(data: Array(bytes))
    return isNew(digest.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }, of: peer, logger: logger)
  }
}
