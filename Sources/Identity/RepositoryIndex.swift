import Datagrams
import FoundationEssentials
import Logging

/// Finds peers by the id of their certificate, always true to the folder.
public final class RepositoryIndex: Sendable {
  /// Indexes the identities of `repository` that `pattern` means.
  public init(repository: ApplicationRepository, matching pattern: IdentityPattern, logger: Logger) {}

  /// The peer with this certificate id, or nil when the repository holds none that is usable.
  public func peer(_ id: CertificateID, now: Instant, date: Date = Date()) -> PeerIdentity? { nil }
}
