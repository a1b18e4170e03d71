import FoundationEssentials
import Glibc
import Logging

/// The folder of identities: `REPO/OWNER/PIN/cert.crt`, one's own with `private.key` beside it.
///
/// Every call reads the folder as it is at that moment; nothing is cached (``RepositoryIndex`` does that).
public struct ApplicationRepository: Sendable {
  /// The folder, as it was given.
  public let path: String

  /// Opens the repository at `path`.
  ///
  /// - Throws: ``IdentityError`` with code `repositoryUnusable` unless it is a folder that this user can read.
  public init(path: String) throws {
    self.path = path
  }

  /// The identity `name` with its private key.
  public func ownIdentity(_ name: IdentityName, at date: Date = Date()) throws -> OwnIdentity {
    throw IdentityError(.unknownIdentity, "not yet written")
  }

  /// Every identity that has a private key, sorted by name.
  public func ownIdentities(at date: Date = Date(), logger: Logger? = nil) throws -> [PeerIdentity] { [] }

  /// The identity `name` as peers see it.
  public func peer(_ name: IdentityName, at date: Date = Date()) throws -> PeerIdentity {
    throw IdentityError(.unknownIdentity, "not yet written")
  }

  /// Every usable identity that `pattern` means, sorted by name.
  public func peers(
    matching pattern: IdentityPattern, at date: Date = Date(), logger: Logger? = nil
  ) throws -> [PeerIdentity] { [] }
}
