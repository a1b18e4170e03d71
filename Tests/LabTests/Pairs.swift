import PlexusTesting
import Testing

/// Runs `body` with two peers that know each other, the acceptor first.
func withPair(
  behind acceptorNAT: Lab.NATKind = .portRestricted, _ inviterNAT: Lab.NATKind = .portRestricted,
  isolation: isolated (any Actor)? = #isolation,
  _ body: (_ lab: Lab, _ acceptor: PlexusPeer, _ inviter: PlexusPeer) async throws -> Void
) async throws {
  try await withLab(sites: [Lab.Site(nat: acceptorNAT), Lab.Site(nat: inviterNAT)]) { lab in
    let acceptor = try await PlexusPeer("acceptor", on: lab.host(0), in: lab)
    let inviter = try await PlexusPeer("inviter", on: lab.host(1), in: lab)
    try acceptor.befriend(inviter)
    try await body(lab, acceptor, inviter)
  }
}

/// Peers on the hosts from 1 on that know `known` and are known to it.
func makePeers(_ count: Int, known: PlexusPeer, in lab: Lab) async throws -> [PlexusPeer] {
  var peers: [PlexusPeer] = []
  for number in 1...count {
    let peer = try await PlexusPeer("peer\(number)", on: lab.host(number), in: lab)
    try known.befriend(peer)
    peers.append(peer)
  }
  return peers
}

/// Waits for a passage of each to the other, and expects that both tell the same of it.
func expectMatchingPassages(
  _ one: PlexusPeer, _ other: PlexusPeer, sourceLocation: SourceLocation = #_sourceLocation
) async throws {
  var ones = try await one.waitForPassages(with: other)
  var others = try await other.waitForPassages(with: one)
  // Where there were several, one of the two may be later to write down its last.
  let end = ContinuousClock.now + .seconds(10)
  while ones.last?.secret != others.last?.secret, ContinuousClock.now < end {
    try await Task.sleep(for: .milliseconds(20))
    (ones, others) = (one.passages(with: other), other.passages(with: one))
  }
  let (mine, theirs) = (try #require(ones.last), try #require(others.last))
  #expect(mine.outer == theirs.peer, sourceLocation: sourceLocation)
  #expect(mine.peer == theirs.outer, sourceLocation: sourceLocation)
  #expect(mine.secret == theirs.secret && mine.secret != "0", sourceLocation: sourceLocation)
}

/// Waits until a file has this line.
func expectLine(
  _ line: String, in file: String, on host: Lab.Host, sourceLocation: SourceLocation = #_sourceLocation
) async throws {
  // tail follows a file by name before it exists, and says so on standard error.
  try await host.withProcess("tail", "-n", "+1", "-F", file) { tail in
    do {
      try await tail.waitForLine(containing: line)
    } catch let error as LabError {
      Issue.record("\(error)", sourceLocation: sourceLocation)
    }
  }
}

extension PlexusPeer {
  /// Invites, and expects that it gets through.
  @discardableResult
  func invites(
    _ acceptor: PlexusPeer, options: [String] = [], sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> Lab.ProgramResult {
    // The reference awaits an answer for a minute, and so may this.
    let result = try await host.run("plexus", arguments: inviting(acceptor) + options, deadline: .seconds(90))
    try #require(result.exit == .exited(0), "\(identity): \(result.errors)", sourceLocation: sourceLocation)
    return result
  }
}
