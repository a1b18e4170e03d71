import Datagrams

/// What a side tells its peer before both look for a path: where it may be reached, what its NATs are like, and its share of the keys.
///
/// It holds half a secret, so it travels encrypted and signed only. As JSON it takes 1.6 KB at most.
public struct PunchOffer: Hashable, Sendable {
  /// Where to try, at most ``maximumCandidates``, best first.
  public var candidates: [Candidate]
  /// What is before the host.
  public var traits: NATTraits
  /// 32 random bytes.
  public var keyShare: KeyShare

  /// Hosts with more addresses tell the best of them. Together with the own sockets this bounds the pairs to be tried.
  public static let maximumCandidates = 16

  /// An offer; candidates that reach nobody, that are told twice or are too many are left out.
  public init(candidates: [Candidate], traits: NATTraits, keyShare: KeyShare) {
    self.candidates = Self.best(candidates)
    self.traits = traits
    self.keyShare = keyShare
  }

  private static func best(_ candidates: [Candidate]) -> [Candidate] {
    var seen: Set<Endpoint> = []
    let usable = candidates.filter { $0.isUsable && $0.kind != .peerReflexive }.sorted { $0.priority > $1.priority }
    return Array(usable.filter { seen.insert($0.endpoint).inserted }.prefix(maximumCandidates))
  }

  /// The public endpoints that servers saw, and those that a router forwards.
  var publicEndpoints: [Endpoint] {
    candidates.filter { $0.kind == .serverReflexive || $0.kind == .mapped }.map(\.endpoint)
  }

  /// Where a peer behind a symmetric NAT opens its ports to, and where this side searches for them from.
  var searchEndpoints: [Endpoint] {
    let quiet = candidates.filter { $0.kind == .quiet && $0.endpoint.address.family == .v4 }.map(\.endpoint)
    return quiet.isEmpty ? publicEndpoints.filter { $0.address.family == .v4 } : quiet
  }

  /// Whether both are behind one NAT, as far as servers can tell.
  func sharesPublicAddress(with peer: PunchOffer) -> Bool {
    func seen(_ offer: PunchOffer) -> Set<IPAddress> {
      Set(offer.candidates.filter { $0.kind == .serverReflexive }.map(\.endpoint.address))
    }
    return !seen(self).isDisjoint(with: seen(peer))
  }
}

extension PunchOffer: Codable {
  private enum CodingKeys: String, CodingKey {
    case candidates = "c"
    case traits = "n"
    case keyShare = "k"
  }

  /// A candidate, or something that a later version understands.
  private struct Lenient: Decodable {
    let candidate: Candidate?
    init(from decoder: any Decoder) throws { candidate = try? Candidate(from: decoder) }
  }

  /// Reads what a peer wrote: candidates of unknown kinds are skipped, unknown fields too, and what is too much is dropped.
  ///
  /// - Throws: `DecodingError` if there is no key share.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let candidates = (try? container.decode([Lenient].self, forKey: .candidates)) ?? []
    self.init(
      candidates: candidates.compactMap(\.candidate),
      traits: (try? container.decode(NATTraits.self, forKey: .traits)) ?? NATTraits(),
      keyShare: try container.decode(KeyShare.self, forKey: .keyShare))
  }

  /// Writes the offer.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(candidates, forKey: .candidates)
    try container.encode(traits, forKey: .traits)
    try container.encode(keyShare, forKey: .keyShare)
  }
}
