import Datagrams
import Identity
import Logging

/// The peers that may invite us, as the repository has them at this moment.
struct PeerDirectory: Sendable {
  /// The peer with a certificate id, nil when it is none of those.
  var peer: @Sendable (CertificateID) -> PeerIdentity?
  /// All of them.
  var all: @Sendable () -> [PeerIdentity]
}

extension PeerDirectory {
  /// The peers of a folder that match.
  init(_ repository: ApplicationRepository, matching pattern: IdentityPattern, logger: Logger) {
    let index = RepositoryIndex(repository: repository, matching: pattern, logger: logger)
    let origin = ContinuousClock.now
    peer = { index.peer($0, now: Instant(nanoseconds: origin.duration(to: .now).nanoseconds)) }
    all = { (try? repository.peers(matching: pattern)) ?? [] }
  }
}
