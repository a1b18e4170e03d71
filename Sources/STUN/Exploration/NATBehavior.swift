/// How a NAT chooses the public endpoint for one local endpoint that talks to several others (RFC 4787 4.1).
public enum MappingBehavior: String, Hashable, Sendable, Codable, CaseIterable {
  /// The same for all: what a STUN server sees is what a peer can use.
  case endpointIndependent
  /// One for each remote address.
  case addressDependent
  /// One for each remote address and port.
  case addressAndPortDependent
  /// It differs between remote endpoints; whether by address alone or by port as well, no server could tell.
  case endpointDependent
  /// No two answers of different servers or addresses could be compared.
  case unknown

  /// Whether another peer gets another public endpoint than the one a STUN server saw; nil if not known.
  public var isSymmetric: Bool? {
    switch self {
    case .endpointIndependent: false
    case .addressDependent, .addressAndPortDependent, .endpointDependent: true
    case .unknown: nil
    }
  }
}

/// From whom a NAT or firewall lets datagrams in to a mapping (RFC 4787 5).
public enum FilteringBehavior: String, Hashable, Sendable, Codable, CaseIterable {
  /// From anyone.
  case endpointIndependent
  /// From any port of an address that was sent to.
  case addressDependent
  /// Only from an endpoint that was sent to.
  case addressAndPortDependent
  /// No server could tell.
  case unknown
}

/// With whom punching works through this network, where the peer is a present release; C++ tools and early releases need a mapping that is not
/// symmetric on both sides.
public enum PunchProspect: String, Hashable, Sendable, Codable, CaseIterable {
  /// With every peer, even with one behind a symmetric NAT.
  case everyPeer
  /// The NAT is symmetric: with every peer but those behind another symmetric NAT, unless one of both lets in any port of an address or both give
  /// ports by the same rule.
  case everyPeerButSymmetric
  /// Not known; punching is worth a try.
  case unknown
}

/// How far a conclusion can be trusted.
public enum Confidence: String, Hashable, Sendable, Codable {
  /// Every part of it was observed.
  case measured
  /// A part could not be observed and was taken for the more usual (and worse) case, or the NAT behaves unsteadily.
  case likely
  /// Nothing was observed that would allow a conclusion.
  case none
}
