import Datagrams
import STUN

/// Knows where the configured STUN servers are, so that a slow name server delays no invitation but the first, and one that is gone
/// fails none where it was there once.
actor STUNDirectory {
  /// Finds the endpoints of names within a time.
  typealias LookUp = @Sendable ([HostAndPort], Duration) async -> (servers: [STUNServer], failures: [STUNError])

  /// Names seldom move; an acceptor that runs for months must notice it all the same.
  private static let lifetime: Duration = .seconds(600)
  /// As long as the system's resolver takes over its first try: a name server that has not answered by then is not there.
  private static let patience: Duration = .seconds(5)
  /// Where older endpoints will do.
  private static let patienceWithKnown: Duration = .seconds(2)

  private let names: [HostAndPort]
  private let clock: PlexusClock
  private let lookUp: LookUp
  private var known: (servers: [STUNServer], since: Instant)?

  init(names: [HostAndPort], family: IPAddress.Family, clock: PlexusClock) {
    self.init(names: names, clock: clock) { await STUNServer.resolve($0, family: family, timeout: $1) }
  }

  init(names: [HostAndPort], clock: PlexusClock, lookUp: @escaping LookUp) {
    (self.names, self.clock, self.lookUp) = (names, clock, lookUp)
  }

  /// The servers, and what is wrong with each name that has no address, told once for each look-up. A name that has none any more, for
  /// which mostly a name server is to blame, stands for where it was found last. What a cancelled look-up found is not kept, and what it
  /// did not find is not told.
  func servers() async -> (servers: [STUNServer], failures: [STUNError]) {
    let now = clock.now()
    if let known, known.since.duration(to: now) < Self.lifetime { return (known.servers, []) }
    let (found, failures) = await lookUp(names, known == nil ? Self.patience : Self.patienceWithKnown)
    guard !Task.isCancelled else { return (known?.servers ?? found, []) }
    let older = (known?.servers ?? []).filter { old in !found.contains { $0.name == old.name } }
    let servers = found + older
    // Where old endpoints have to do, the next passage asks again.
    if !found.isEmpty, older.isEmpty { known = (found, now) } else if !found.isEmpty { known?.servers = servers }
    return (servers, failures)
  }
}
