import Datagrams

/// An endpoint at which a side may be reached (RFC 8445 5.1).
public struct Candidate: Hashable, Sendable {
  /// How a side came to know its endpoint.
  public enum Kind: String, Hashable, Sendable, CaseIterable {
    /// An address of an own interface.
    case host = "h"
    /// A port that the router forwards because it was asked to (UPnP IGD, NAT-PMP, PCP).
    case mapped = "m"
    /// What a STUN server saw.
    case serverReflexive = "s"
    /// What a STUN server saw of a socket that nothing may reach before it has sent: some NATs drop a mapping on an unexpected datagram. Where the
    /// peer's NAT is symmetric its many sockets open their ports towards this one, with a low hop limit, and its search for ports starts from it.
    case quiet = "q"
    /// What the NAT is expected to show next: a guess from how it gave ports before.
    case predicted = "p"
    /// Where a check came from that nobody had announced. Never part of an offer.
    case peerReflexive = "r"
  }

  /// How the side came to know it.
  public var kind: Kind
  /// Where to send.
  public var endpoint: Endpoint
  /// Who is tried first, and wins: the higher (RFC 8445 5.1.2.1).
  public var priority: UInt32

  /// A candidate with the priority that belongs to its kind and address.
  public init(_ kind: Kind, _ endpoint: Endpoint) {
    self.init(kind, endpoint, priority: Self.priority(kind, endpoint.address))
  }

  init(_ kind: Kind, _ endpoint: Endpoint, priority: UInt32) {
    (self.kind, self.endpoint, self.priority) = (kind, endpoint, priority)
  }

  /// RFC 8445 5.1.2.1, with its preferences for the types, and for addresses: private ones first, because whoever is reached there
  /// is on the same network; then IPv6, which has no NAT to keep alive; then IPv4 (RFC 8421 4).
  static func priority(_ kind: Kind, _ address: IPAddress) -> UInt32 {
    let type: UInt32 =
      switch kind {
      case .host: 126
      case .mapped: 115
      case .peerReflexive: 110
      case .serverReflexive: 100
      case .quiet: 95
      case .predicted: 90
      }
    let local: UInt32 =
      if address.isOfLocalNetwork { 65_535 } else if address.family == .v6 { 60_000 } else { 50_000 }
    // One component: 256 - 1.
    return type << 24 | local << 8 | 255
  }

  /// Whether a peer may be told to send there: neither this host alone, nor many, nor port 0.
  var isUsable: Bool { endpoint.port != 0 && endpoint.address.isUnicast && !endpoint.address.isLinkLocal }
}

extension IPAddress {
  /// Private ranges: RFC 1918, RFC 6598 (between a provider's NAT and its subscribers), RFC 4193.
  package var isOfLocalNetwork: Bool {
    switch self {
    case .v4(let bits): bits >> 24 == 10 || bits >> 20 == 0xAC1 || bits >> 16 == 0xC0A8 || bits >> 22 == 0x6440 >> 6
    case .v6(let high, _): high >> 57 == 0xFC >> 1
    }
  }

  /// Addresses that need an interface to be named: of no use to a peer.
  package var isLinkLocal: Bool {
    switch self {
    case .v4(let bits): bits >> 16 == 0xA9FE
    case .v6(let high, _): high >> 54 == 0xFE80 >> 6
    }
  }
}

extension Candidate: Codable {
  private enum CodingKeys: String, CodingKey {
    case kind = "k"
    case endpoint = "e"
    case priority = "p"
  }

  /// Reads what a peer wrote.
  ///
  /// - Throws: `DecodingError` for another kind, or an endpoint nobody can be reached at.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let kind = try container.decode(String.self, forKey: .kind)
    let text = try container.decode(String.self, forKey: .endpoint)
    // The longest endpoint has 47 characters.
    guard let kind = Kind(rawValue: kind), kind != .peerReflexive, text.utf8.count <= 64, let endpoint = Endpoint(text)
    else {
      throw DecodingError.dataCorruptedError(forKey: .endpoint, in: container, debugDescription: "no candidate")
    }
    let priority =
      try container.decodeIfPresent(UInt32.self, forKey: .priority) ?? Self.priority(kind, endpoint.address)
    self.init(kind, endpoint, priority: priority)
    guard isUsable else {
      throw DecodingError.dataCorruptedError(forKey: .endpoint, in: container, debugDescription: "no unicast endpoint")
    }
  }

  /// Writes `{"k":"h","e":"192.0.2.1:4000","p":2130706431}`.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(kind.rawValue, forKey: .kind)
    try container.encode(endpoint.description, forKey: .endpoint)
    try container.encode(priority, forKey: .priority)
  }
}
