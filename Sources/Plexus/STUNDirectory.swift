import Datagrams
import STUN

/// Knows where the configured STUN servers are, so that a slow name server delays no invitation but the first.
actor STUNDirectory {
  /// Names seldom move; an acceptor that runs for months must notice it all the same.
  private static let lifetime: Duration = .seconds(600)

  private let names: [HostAndPort]
  private let family: IPAddress.Family
  private let clock: PlexusClock
  private var known: (servers: [STUNServer], since: Instant)?

  init(names: [HostAndPort], family: IPAddress.Family, clock: PlexusClock) {
    (self.names, self.family, self.clock) = (names, family, clock)
  }

  /// The servers, and what is wrong with each name that has no address, told once for each look-up.
  func servers() async -> (servers: [STUNServer], failures: [STUNError]) {
    let now = clock.now()
    if let known, known.since.duration(to: now) < Self.lifetime { return (known.servers, []) }
    let resolved = await STUNServer.resolve(names, family: family)
    if !resolved.servers.isEmpty { known = (resolved.servers, now) }
    return resolved
  }
}
