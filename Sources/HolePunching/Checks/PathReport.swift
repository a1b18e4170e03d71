import Datagrams

/// What passed while a path was looked for.
public struct CheckCounters: Hashable, Sendable {
  /// Datagrams sent, refused ones included.
  public internal(set) var sent = 0
  /// Those of them that were sent to ports that a NAT may or may not have given.
  public internal(set) var guesses = 0
  /// Sends that the kernel refused.
  public internal(set) var sendFailures = 0
  /// Datagrams of the peer.
  public internal(set) var heard = 0
  /// Datagrams that were not the peer's.
  public internal(set) var noise = 0
  /// The most datagrams sent towards one address within a second.
  public internal(set) var peakPerSecond = 0

  /// Nothing so far.
  public init() {}
}

/// A path between two sockets that both sides agreed on.
public struct FoundPath: Hashable, Sendable {
  /// What the agreement stands on.
  public enum Conclusion: String, Hashable, Sendable {
    /// The peer's last word came.
    case acknowledged
    /// The peer has taken the path, was told so several times, and has not confirmed it.
    case told
    /// The path was taken, and then the peer asked no more.
    case silence
  }

  /// The index of our socket.
  public var socket: Int
  /// Where the peer is reached from it.
  public var peer: Endpoint
  /// How that endpoint was known.
  public var kind: Candidate.Kind
  /// Our endpoint as the peer sees it on this path.
  public var mapped: Endpoint?
  /// What the agreement stands on.
  public var conclusion: Conclusion
  /// The shortest time from a check on this path to its answer.
  public var roundTrip: Duration?
  /// From the start to the first datagram of the peer.
  public var timeToFirstContact: Duration
  /// From the start to the end.
  public var duration: Duration
  /// What passed.
  public var counters: CheckCounters
}

extension FoundPath {
  /// What kind of way this is, as the end of an English sentence.
  public var words: String {
    if peer.address.isOfLocalNetwork { return "within one network" }
    if peer.address.family == .v6 { return "over IPv6" }
    return switch kind {
    case .host: "to a public address"
    case .mapped: "through a forwarded port"
    case .serverReflexive, .quiet: "through NATs"
    case .predicted: "through a NAT at a predicted port"
    case .peerReflexive: "through a NAT at an unannounced port"
    }
  }
}

/// Why no path was found.
public struct PathFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// What was seen, for programs.
  public enum Code: String, Hashable, Sendable {
    /// There was nothing to try: no address of ours and of the peer's are of one family.
    case noPairs
    /// Nothing of the peer's came.
    case peerSilent
    /// Both NATs are symmetric, and no rule tells the ports of both.
    case bothSymmetric
    /// Both are behind one NAT, which lets none reach another by its public address, and not on one network.
    case sameNAT
    /// One NAT is symmetric, and none of its ports was found.
    case portNotFound
    /// One NAT is symmetric, and this was no time to look for its ports.
    case notInTurn
    /// The peer is heard and does not hear us.
    case oneWay
    /// A path worked, but both sides could not agree on one.
    case pathLost
    /// The kernel refused to send, again and again.
    case cannotSend
  }

  /// What was seen, for programs.
  public var code: Code
  /// How long it was tried.
  public var duration: Duration
  /// How many pairs of endpoints were tried.
  public var pairs: Int
  /// What passed.
  public var counters: CheckCounters
  /// The kernel's latest refusal to send.
  public var sendError: String?
  /// What was known of the NATs before this host.
  public var ownTraits: NATTraits
  /// What the peer told of its own.
  public var peerTraits: NATTraits

  /// What happened and what to do next, in one sentence.
  public var description: String {
    let seconds = "\(max(duration.components.seconds, 1)) s"
    return switch code {
    case .noPairs:
      "the peer answered, but it and this machine have no addresses of the same family: bring both to IPv4, or both to IPv6"
    case .peerSilent:
      "the peer answered the invitation, but none of its datagrams arrived on any of \(pairs) ways in \(seconds): it may have ended, or a "
        + "firewall on either side may drop UDP; let both sides run plexus doctor, and try again"
    case .bothSymmetric:
      "both NATs are symmetric, and \(unpredictable), so neither peer can be told where to send "
        + "(\(counters.sent) datagrams in \(seconds)): one side needs another network, IPv6, or a forwarded UDP port"
    case .sameNAT:
      "both sides are behind the same NAT, perhaps a provider's, which lets none reach another by its public address, and they are not on one network: "
        + "have the router of one side forward a UDP port, or use IPv6 or another network on one side"
    case .portNotFound:
      "\(symmetricSide) is symmetric, and none of its ports was found with \(counters.guesses) of \(counters.sent) datagrams in "
        + "\(seconds): try again, or have that side's router forward a UDP port"
    case .notInTurn:
      "\(symmetricSide) is symmetric, and to find its ports takes thousands of datagrams, for which this was no time: another such search was "
        + "going on, or the last one to this peer failed a moment ago; try again later"
    case .oneWay:
      "datagrams passed one way only: the peer was heard \(counters.heard) times in \(seconds) but did not confirm that it hears us; a firewall "
        + "on the way may drop what this side sends: try another local port, or another network on either side"
    case .pathLost:
      "a way to the peer worked for a moment, and broke before both could use it: try again"
    case .cannotSend:
      "the system refuses to send to the peer: \(sendError ?? "unknown error"); check the route and the firewall of this machine"
    }
  }

  private var symmetricSide: String {
    switch (ownTraits.isSymmetric, peerTraits.isSymmetric) {
    case (true, false): "the NAT of this network"
    case (false, true): "the peer's NAT"
    default: "each of both NATs"
    }
  }

  /// Why the rule of one side does not help, if there is one.
  private var unpredictable: String {
    let random = (ownTraits.allocation == .random, peerTraits.allocation == .random)
    return switch random {
    case (true, true): "both give ports that nobody can predict"
    case (true, false): "the one of this network gives ports that nobody can predict"
    case (false, true): "the peer's gives ports that nobody can predict"
    case (false, false): "their ports follow different rules or none"
    }
  }
}
