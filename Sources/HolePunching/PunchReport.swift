import Datagrams

/// What passed, and what was ignored, in a punch.
public struct PunchCounters: Hashable, Sendable {
  /// Datagrams sent, failed ones included.
  public internal(set) var sent = 0
  /// Sends that the kernel refused.
  public internal(set) var sendFailures = 0
  /// Valid probes (flag 0) from the peer's endpoint.
  public internal(set) var probesHeard = 0
  /// Valid answers (flag 1) from the peer's endpoint.
  public internal(set) var answersHeard = 0
  /// Datagrams from the peer's endpoint of another length or with a wrong sum.
  public internal(set) var noise = 0
  /// Own datagrams that came back from the peer's endpoint.
  public internal(set) var reflections = 0
  /// Datagrams from other endpoints, whatever they held.
  public internal(set) var strangers = 0
  /// Those of them that had a right sum; one in 256 has by chance.
  public internal(set) var validFromStrangers = 0
  /// Where the first of these came from. The peer's address with another port tells of a symmetric NAT there.
  public internal(set) var firstValidStranger: Endpoint?

  /// Nothing so far.
  public init() {}
}

/// A passage: datagrams go both ways between the socket and the peer's endpoint.
public struct PunchResult: Hashable, Sendable {
  /// Whether the peer echoes what it answers, as this implementation does within the common wire.
  public enum PeerKind: String, Hashable, Sendable {
    /// This implementation.
    case echoing
    /// The reference, or a peer of which too little was heard.
    case plain
  }

  /// What the success stands on, strongest first.
  public enum Conclusion: String, Hashable, Sendable {
    /// The peer's last word came; no more is to come.
    case acknowledged
    /// Datagrams passed both ways; the peer was told several times and has not confirmed that it heard.
    case told
    /// The peer had asked, was answered, and asked no more.
    case silence
  }

  /// The peer's endpoint.
  public var peer: Endpoint
  /// Whether the peer echoes what it answers.
  public var peerKind: PeerKind
  /// What the success stands on.
  public var conclusion: Conclusion
  /// The shortest time from a datagram to its echo; nil with a plain peer.
  public var roundTrip: Duration?
  /// From the start to the first datagram of the peer.
  public var timeToFirstContact: Duration
  /// From the start to the end.
  public var duration: Duration
  /// What passed and what was ignored.
  public var counters: PunchCounters
}

/// Why there is no passage to the peer.
public struct PunchFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// What was seen, for programs.
  public enum Code: String, Hashable, Sendable {
    /// Nothing at all came from the peer's endpoint, nor anything valid from elsewhere.
    case peerSilent
    /// Datagrams came from the peer's endpoint, but they were none of a handshake with this secret.
    case onlyNoise
    /// Nothing came from the peer's endpoint, but datagrams with right sums came from elsewhere.
    case peerElsewhere
    /// The peer is heard and seems not to hear us.
    case oneWay
    /// The kernel refused to send, again and again.
    case cannotSend
  }

  /// What was seen, for programs.
  public var code: Code
  /// The side that gave up.
  public var role: PunchRole
  /// Where the peer should have been.
  public var peer: Endpoint
  /// How long it was tried.
  public var duration: Duration
  /// What passed and what was ignored.
  public var counters: PunchCounters
  /// The kernel's latest refusal to send.
  public var sendError: String?

  /// What happened and what to do next, in one sentence.
  public var description: String {
    let seconds = "\(max(duration.components.seconds, 1)) s"
    let refusals = counters.sendFailures == 0 ? "" : " (\(counters.sendFailures) of \(counters.sent) sends failed)"
    return switch code {
    case .peerSilent:
      "the peer, a C++ tool or an early release, told \(peer), but nothing came from there in \(seconds)\(refusals): it may have ended, a "
        + "firewall may drop UDP, or its NAT may be symmetric; let both sides run plexus doctor, and try again"
    case .onlyNoise:
      "\(counters.noise) datagrams came from \(peer) in \(seconds)\(refusals), but none of this handshake: another "
        + "program may answer there, or the peer holds another secret; invite it again"
    case .peerElsewhere:
      "nothing came from the peer at \(peer) in \(seconds), but \(counters.validFromStrangers) datagrams that may be "
        + "its own came from elsewhere, first from \(counters.firstValidStranger.map(String.init) ?? "nowhere"): "
        + "its NAT seems to be symmetric; it needs another network or a forwarded port"
    case .oneWay:
      "the peer at \(peer) was heard \(counters.probesHeard + counters.answersHeard) times in \(seconds)\(refusals) but "
        + "did not confirm that it hears us: a firewall on the way may drop our datagrams; try another local port"
    case .cannotSend:
      "the system refuses to send to \(peer): \(sendError ?? "unknown error"); check the route and the firewall of this "
        + "machine"
    }
  }
}
