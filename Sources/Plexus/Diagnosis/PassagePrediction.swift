import HolePunching

/// Whether a passage between two networks will come about, how, and how soon once both know of each other.
public struct PassagePrediction: Hashable, Sendable {
  /// The network of the peer.
  public let peer: NetworkTraits
  /// Whether both have IPv6, where only firewalls are in the way.
  public let isOverIPv6: Bool
  /// Whether a router on either side forwards ports, so that the other side needs no luck.
  public let isByForwardedPort: Bool
  /// How a path comes about; over IPv4 even if ``isOverIPv6``.
  public let path: PathPrediction

  /// Predicts what comes of two networks.
  public init(own: NetworkTraits, peer: NetworkTraits) {
    self.peer = peer
    isOverIPv6 = own.hasIPv6 && peer.hasIPv6
    isByForwardedPort = own.forwardsPorts || peer.forwardsPorts
    path = PathPrediction(own: own.nat, peer: peer.nat)
  }

  /// Whether there will be a passage.
  public var succeeds: Bool { isOverIPv6 || isByForwardedPort || path.way != .none }

  /// The kinds of network that a peer may have, as far as they make a difference.
  static let kinds: [(traits: NetworkTraits, words: String)] = [
    ("cone/open", "without a NAT, or behind one that lets everybody in"),
    ("cone/port-restricted", "behind a NAT that is not symmetric (as most at home)"),
    ("symmetric/address-restricted/random", "behind a symmetric NAT that lets in any port of an address"),
    ("symmetric/port-restricted/preserving", "behind a symmetric NAT that keeps ports"),
    ("symmetric/port-restricted/sequential+1", "behind a symmetric NAT that counts its ports"),
    ("symmetric/port-restricted/random", "behind a symmetric NAT that gives random ports"),
  ].compactMap { text, words in NetworkTraits(text).map { ($0, words) } }

  /// What to expect, in one sentence without the full stop; `who` ends "a peer …".
  public func sentence(of who: String) -> String {
    guard succeeds else {
      return
        "no passage with a peer \(who): neither NAT's ports can be told; one side needs another network, IPv6 or a forwarded UDP port"
    }
    let usual = times.typicalTime.map { ", usually within \($0.forPeople)" } ?? ""
    return "a peer \(who) is reached \(how)\(usual)"
  }

  /// The same for a kind of network that ``DiagnosisReport/predictions`` has by itself, in words.
  public var kindSentence: String {
    Self.kinds.first { $0.traits == peer }.map { sentence(of: $0.words) } ?? sentence
  }

  /// What to expect of ``peer``, in one sentence without the full stop.
  public var sentence: String { sentence(of: "with \(peer)") }

  /// Over IPv6 firewalls are opened as NATs are that are not symmetric, and a forwarded port shows as theirs do.
  private var times: PathPrediction {
    let open = NATTraits(mapping: .endpointIndependent)
    return isOverIPv6 || isByForwardedPort ? PathPrediction(own: open, peer: open) : path
  }

  private var how: String {
    if isOverIPv6 { return "over IPv6" }
    if isByForwardedPort, path.way != .direct, path.way != .punched { return "at a forwarded port" }
    return switch path.way {
    case .direct: "directly"
    case .punched: "by punching"
    case .predictedPort: "at a port that can be predicted"
    case .portSearch: "by searching its port with many datagrams, in ten seconds at most"
    case .counting: "by counting ports on both sides"
    case .none: ""
    }
  }
}

// The names are documented in docs/doctor.md.

extension PassagePrediction: Encodable {
  private enum CodingKeys: String, CodingKey {
    case peer, succeeds, way, ipv6, forwardedPort, typicalMilliseconds, longestMilliseconds, sentence
  }

  /// Encodes the peer's traits as text.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(peer.description, forKey: .peer)
    try container.encode(succeeds, forKey: .succeeds)
    try container.encode(path.way, forKey: .way)
    try container.encode(isOverIPv6, forKey: .ipv6)
    try container.encode(isByForwardedPort, forKey: .forwardedPort)
    try container.encode(times.typicalTime?.milliseconds, forKey: .typicalMilliseconds)
    try container.encode(times.longestTime?.milliseconds, forKey: .longestMilliseconds)
    try container.encode(sentence, forKey: .sentence)
  }
}
