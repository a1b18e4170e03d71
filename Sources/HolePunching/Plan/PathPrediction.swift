import Datagrams

/// What comes of two networks: whether a path will be found between them, how, and how soon.
///
/// It asks ``PathPlan`` what both sides would do about each other, and knows nothing of its own but what a plan takes.
public struct PathPrediction: Hashable, Sendable {
  /// How a path comes about.
  public enum Way: String, Hashable, Sendable, Codable, CaseIterable {
    /// One of them lets everybody in.
    case direct
    /// Both open their NATs by sending first.
    case punched
    /// A NAT is symmetric and keeps ports, so that its next one is known.
    case predictedPort
    /// A NAT is symmetric: one side opens many sockets, the other tries many ports.
    case portSearch
    /// Both NATs are symmetric and count, and both sides know how far.
    case counting
    /// There is none: only local addresses, IPv6 or a forwarded port help.
    case none
  }

  /// How a path comes about.
  public let way: Way

  /// What comes of it for the host with the traits `own`.
  ///
  /// - Parameters:
  ///   - own: what is before this host.
  ///   - peer: what is before the peer.
  public init(own: NATTraits, peer: NATTraits) {
    let offers = [own, peer].enumerated().map { Self.offer(Self.sampled($1), host: UInt32($0)) }
    let plans = [
      PathPlan(role: .inviting, own: offers[0], peer: offers[1], seed: 0),
      PathPlan(role: .accepting, own: offers[1], peer: offers[0], seed: 0),
    ]
    way = Self.way(plans, own, peer)
  }

  /// The time that half of all searches take at most once both sides know of each other; nil where there is no path.
  public var typicalTime: Duration? {
    switch way {
    case .direct, .punched, .predictedPort: PathTiming.firstGap * 4
    case .portSearch: PathTiming.assistanceDelay + PathTiming.guessInterval * 175
    case .counting: PathTiming.assistanceDelay + PathTiming.guessInterval * PathPlan.mirrorSockets
    case .none: nil
    }
  }

  /// The time that one search in a thousand exceeds, on wires that lose nothing; nil where there is no path.
  public var longestTime: Duration? {
    switch way {
    case .direct, .punched, .predictedPort: PathTiming.firstGap * 30
    case .portSearch: PathTiming.assistanceDelay + PathTiming.guessInterval * PathTiming.fastGuesses
    case .counting: PathTiming.assistanceDelay + PathTiming.refreshInterval
    case .none: nil
    }
  }

  private static func way(_ plans: [PathPlan], _ own: NATTraits, _ peer: NATTraits) -> Way {
    if plans.contains(where: \.isHopeless) { return .none }
    let both = [own, peer]
    if both.contains(where: { $0.isSymmetric && $0.allocation == .preserving }), !both.contains(where: \.admitsAnyPort)
    {
      return .predictedPort
    }
    for plan in plans {
      switch plan.assistance {
      case .none: continue
      case .mirror: return .counting
      case .open, .spray: return .portSearch
      }
    }
    return both.contains { !$0.isSymmetric && $0.filtering == .endpointIndependent } ? .direct : .punched
  }

  /// Traits that come from a word have no samples, which a plan for NATs that count starts from.
  private static func sampled(_ traits: NATTraits) -> NATTraits {
    guard traits.allocation.isRegular, traits.sampledPorts.isEmpty else { return traits }
    var traits = traits
    traits.sampledPorts = [30_000]
    return traits
  }

  /// An offer of a host with these traits that has one public address, of those for documentation (RFC 5737).
  private static func offer(_ traits: NATTraits, host: UInt32) -> PunchOffer {
    var random = SystemRandomNumberGenerator()
    let endpoint = Endpoint(address: .v4(0xCB00_7101 + host), port: 30_000)
    return PunchOffer(
      candidates: [Candidate(.serverReflexive, endpoint)], traits: traits, keyShare: KeyShare(using: &random))
  }
}
