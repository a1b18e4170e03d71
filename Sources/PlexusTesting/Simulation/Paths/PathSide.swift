import Datagrams
import HolePunching
import STUN

/// One side of a simulated search for a path, and how it gets to its offer.
public struct PathSide: Hashable, Sendable {
  /// What is before the host.
  public var surroundings: Surroundings
  /// Whether the peer is told the filter; explorations that are in a hurry do not learn it.
  public var tellsFiltering = false
  /// How many mappings other hosts behind the NAT make between the samples and the checks.
  public var strangers = 0

  /// The port of its first socket; nil for any.
  public var port: UInt16?

  /// A host behind these NATs.
  public init(_ surroundings: Surroundings) { self.surroundings = surroundings }

  /// How many sockets a sample of the port allocation takes, as in the real discovery.
  static let samples = 6

  /// A side that is part of a network.
  struct Placed {
    let nat: SimulatedNetwork.NAT?
    let address: IPAddress
    let offer: PunchOffer
    let bases: [CheckBase]
    let spare: [Endpoint]
    var sockets: Set<Endpoint> { Set(bases.map(\.local) + spare) }
  }

  /// Learns what servers see, and makes the offer of it.
  func place(
    behind nat: SimulatedNetwork.NAT?, address: IPAddress, in network: SimulatedNetwork, random: inout SeededGenerator
  ) -> Placed {
    let servers = [1, 2].map {
      Endpoint(
        address: address.family == .v4 ? .v4(0xC633_6400 + $0) : .v6(high: 0x2001_0DB8_00FF_0000, low: UInt64($0)),
        port: 3478)
    }
    let port = self.port ?? UInt16.random(in: 32_768...60_000, using: &random)
    func socket(_ offset: UInt16) -> Endpoint { Endpoint(address: address, port: port + offset) }
    func mapped(_ local: Endpoint, _ server: Endpoint) -> Endpoint? {
      network.mappedEndpoint(of: local, behind: nat, towards: server)
    }
    let base = socket(0)
    let seen = servers.compactMap { mapped(base, $0) }
    let isSymmetric = Set(seen).count > 1
    var traits = NATTraits(mapping: isSymmetric ? surroundings.mapping.behavior : .endpointIndependent)
    if tellsFiltering { traits.filtering = surroundings.filtering.filteringBehavior }
    var bases = [CheckBase(base)]
    var candidates = [Candidate(.host, base)]
    if let first = seen.first, first != base { candidates.append(Candidate(.serverReflexive, first)) }
    if !isSymmetric, !surroundings.nats.isEmpty, address.family == .v4 {
      let quiet = socket(30)
      if let first = mapped(quiet, servers[0]) {
        bases.append(CheckBase(quiet, purpose: .quiet))
        candidates.append(Candidate(.quiet, first))
      }
    }
    if isSymmetric, let first = seen.first {
      // Ports of real sockets are not next to each other, where one mapping would take the port that the next wants to keep.
      let samples = (1...UInt16(Self.samples)).compactMap { number -> PortAllocation.Sample? in
        let local = socket(16 * number)
        return mapped(local, servers[Int(number) % 2]).map { PortAllocation.Sample(local: local.port, mapped: $0.port) }
      }
      traits.allocation = PortAllocation(samples)
      traits.sampledPorts = samples.map(\.mapped)
      if traits.allocation == .preserving {
        let reserved = socket(150)
        bases.append(CheckBase(reserved, purpose: .reserved))
        candidates.append(Candidate(.predicted, Endpoint(address: first.address, port: reserved.port)))
      }
    }
    if !surroundings.nats.isEmpty, address.family == .v4 {
      for _ in 0..<strangers {
        let stranger = Endpoint(address: .v4(0x0A00_00FE), port: UInt16.random(in: 1024...UInt16.max, using: &random))
        _ = mapped(stranger, servers[0])
      }
    }
    return Placed(
      nat: nat, address: address,
      offer: PunchOffer(candidates: candidates, traits: traits, keyShare: KeyShare(using: &random)), bases: bases,
      spare: (200..<500).map(socket))
  }
}

extension NATBehaviour.Dependence {
  /// What a full exploration says of such a mapping.
  var behavior: MappingBehavior {
    switch self {
    case .nothing: .endpointIndependent
    case .address: .addressDependent
    case .addressAndPort: .addressAndPortDependent
    }
  }

  /// What a full exploration says of such a filter.
  var filteringBehavior: FilteringBehavior {
    switch self {
    case .nothing: .endpointIndependent
    case .address: .addressDependent
    case .addressAndPort: .addressAndPortDependent
    }
  }
}
