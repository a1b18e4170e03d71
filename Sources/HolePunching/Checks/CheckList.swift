import Datagrams

/// All pairs of one attempt, best first as they were made; those found meanwhile behind.
struct CheckList: Sendable {
  /// As many as RFC 8445 6.1.2.5 recommends.
  static let maximumPairs = 100

  private(set) var pairs: [CheckPair] = []
  private var indices: [CheckPair.Key: Int] = [:]
  /// What the peer told of itself.
  private let announced: [Endpoint: Candidate]
  /// Pairs to be checked before all others (RFC 8445 6.1.4.1).
  private var triggered: [Int] = []

  init(bases: [CheckBase], own: PunchOffer, peer: PunchOffer, role: PunchRole, now: Instant) {
    announced = Dictionary(peer.candidates.map { ($0.endpoint, $0) }) { first, _ in first }
    let all = bases.indices.flatMap { base in
      Self.remotes(of: bases[base], peer: peer).map {
        CheckPair(base: base, remote: $0, local: Self.priority(of: bases[base], own: own), role: role, now: now)
      }
    }
    for pair in all.sorted(by: { $0.priority > $1.priority }).prefix(Self.maximumPairs) { append(pair) }
  }

  subscript(index: Int) -> CheckPair {
    get { pairs[index] }
    set { pairs[index] = newValue }
  }

  func index(base: Int, remote: Endpoint) -> Int? { indices[CheckPair.Key(base: base, remote: remote)] }

  /// The pair of an endpoint from which, or at which, the peer was heard; made if need be, and if there is room.
  mutating func discover(
    base: Int, remote: Endpoint, priority: UInt32, local: UInt32, role: PunchRole, now: Instant
  ) -> Int? {
    if let known = index(base: base, remote: remote) { return known }
    // Twice the ordinary number, so that no flood of the peer's keeps out the endpoint that counts.
    guard pairs.count < Self.maximumPairs * 2 else { return nil }
    let candidate = announced[remote] ?? Candidate(.peerReflexive, remote, priority: priority)
    append(CheckPair(base: base, remote: candidate, local: local, role: role, now: now))
    return pairs.count - 1
  }

  /// Lets a pair be checked next, unless that is done already.
  mutating func trigger(_ index: Int) {
    guard !pairs[index].isValid, !triggered.contains(index) else { return }
    triggered.append(index)
  }

  /// The pair to be checked now, if one is due.
  ///
  /// - Parameter onlyTriggered: a path is agreed on; others need not be looked for.
  mutating func takeDue(onlyTriggered: Bool, now: Instant) -> Int? {
    while !triggered.isEmpty {
      let index = triggered.removeFirst()
      if !pairs[index].isValid { return index }
    }
    guard !onlyTriggered else { return nil }
    var due: Int?
    for index in pairs.indices where !pairs[index].isValid && pairs[index].next <= now {
      if due.map({ pairs[index].next < pairs[$0].next }) ?? true { due = index }
    }
    return due
  }

  /// When the next check is due.
  func nextDue(onlyTriggered: Bool) -> Instant? {
    guard triggered.isEmpty else { return Instant(nanoseconds: .min) }
    return onlyTriggered ? nil : pairs.lazy.filter { !$0.isValid }.map(\.next).min()
  }

  mutating func hurry(now: Instant) {
    for index in pairs.indices { pairs[index].hurry(now: now) }
  }

  /// The best pair that works.
  var best: Int? {
    pairs.indices.filter { pairs[$0].isValid && !pairs[$0].hasFailed }.max {
      // Of equals, the faster one.
      (pairs[$0].priority, pairs[$1].roundTrip ?? .zero) < (pairs[$1].priority, pairs[$0].roundTrip ?? .zero)
    }
  }

  /// Lets paths be chosen again that failed once.
  mutating func forgiveAll() {
    for index in pairs.indices { pairs[index].hasFailed = false }
  }

  /// Whether a better one may still be found.
  func mayBeat(_ index: Int) -> Bool {
    pairs.contains { !$0.isValid && $0.priority > pairs[index].priority }
  }

  private mutating func append(_ pair: CheckPair) {
    guard indices[pair.key] == nil else { return }
    indices[pair.key] = pairs.count
    pairs.append(pair)
  }

  private static func remotes(of base: CheckBase, peer: PunchOffer) -> [Candidate] {
    let family = peer.candidates.filter {
      $0.endpoint.address.family == base.local.address.family && $0.endpoint != base.local && $0.kind != .quiet
    }
    switch base.purpose {
    case .general: return family
    case .reserved:
      let target = family.first { $0.kind == .predicted } ?? family.first { $0.kind == .serverReflexive }
      return target.map { [$0] } ?? []
    case .quiet: return []
    }
  }

  /// The priority of our side: that of the best own address of this socket.
  private static func priority(of base: CheckBase, own: PunchOffer) -> UInt32 {
    guard base.purpose == .general else { return Candidate.priority(.predicted, base.local.address) }
    let hosts = own.candidates.filter {
      $0.kind == .host && $0.endpoint.port == base.local.port
        && $0.endpoint.address.family == base.local.address.family
    }
    return hosts.map(\.priority).max() ?? Candidate.priority(.host, base.local.address)
  }
}
