import Datagrams

/// What is between a host and the public network.
public struct Surroundings: Hashable, Sendable {
  /// The NATs, innermost first; none for a host with a public address.
  public var nats: [NATBehaviour]
  /// Whether what stands there translates nothing and filters only.
  public var isFirewall: Bool

  /// NATs, innermost first.
  public init(_ nats: [NATBehaviour] = []) {
    self.nats = nats
    isFirewall = false
  }

  /// A firewall before a host with a public address.
  public static func firewall(_ filtering: NATBehaviour.Dependence) -> Surroundings {
    var surroundings = Surroundings([NATBehaviour(mapping: .nothing, filtering: filtering)])
    surroundings.isFirewall = true
    return surroundings
  }

  /// A host with a public address.
  public static let open = Surroundings()

  /// Builds them in a network.
  ///
  /// - Parameters:
  ///   - publicAddress: the address that others see.
  ///   - privateAddress: the host's own, where there is a NAT.
  ///   - hops: routers between each NAT and the middle of the network outside it.
  /// - Returns: the innermost NAT, which the host is to be added behind, and the host's address.
  public func build(
    in network: SimulatedNetwork, publicAddress: IPAddress, privateAddress: IPAddress, hops: Int = 4
  ) -> (nat: SimulatedNetwork.NAT?, address: IPAddress) {
    var nat: SimulatedNetwork.NAT?
    for (index, behaviour) in nats.reversed().enumerated() {
      // Between two NATs the addresses of RFC 6598.
      let external = index == 0 ? publicAddress : IPAddress.v4(0x6440_0000 + UInt32(index))
      nat = network.addNAT(behaviour, address: external, behind: nat, hops: hops)
    }
    return (nat, nats.isEmpty || isFirewall ? publicAddress : privateAddress)
  }
}

// What follows from the NATs' behaviour for the host behind all of them.
extension Surroundings {
  /// What the public endpoint depends on: what any of the mappings does.
  public var mapping: NATBehaviour.Dependence { nats.map(\.mapping).max() ?? .nothing }

  /// What it depends on who is let in.
  public var filtering: NATBehaviour.Dependence { nats.map(\.filtering).max() ?? .nothing }

  /// Whether the first mapping of a socket keeps its port.
  public var preservesPort: Bool { nats.allSatisfy { $0.allocation == .preserving } }

  /// Whether addresses are translated.
  public var isTranslated: Bool { !nats.isEmpty && !isFirewall }

  /// Whether two sockets of the host reach each other at the public endpoints that a server told.
  ///
  /// The outermost NAT must turn the datagram round. Then it comes to each NAT from the public endpoint that the sender
  /// has towards the other one, which differs from the one the server saw unless all mappings are endpoint-independent.
  public var hairpins: Bool {
    guard isTranslated, nats.last?.hairpins == true else { return false }
    return nats.indices.allSatisfy { index in
      let sharesMapping = nats[...index].allSatisfy { $0.mapping == .nothing }
      switch nats[index].filtering {
      case .nothing: return true
      case .address: return sharesMapping
      case .addressAndPort: return sharesMapping && mapping == .nothing
      }
    }
  }

  /// Whether unexpected datagrams do harm.
  var isTouchy: Bool { nats.contains { $0.unexpectedInbound != .ignored } }

  /// Whether a peer can be told where to send.
  public var isPunchable: Bool { mapping == .nothing }
}

extension Surroundings: CustomStringConvertible {
  /// The NATs in a few words, innermost first.
  public var description: String {
    guard !nats.isEmpty else { return "open" }
    let texts = nats.map { isFirewall ? "firewall \($0.filtering.rawValue)" : "\($0)" }
    return texts.joined(separator: " behind ")
  }
}

extension NATBehaviour: CustomStringConvertible {
  /// Mapping, filtering, allocation, and what else is peculiar.
  public var description: String {
    "\(mapping.rawValue)/\(filtering.rawValue)/\(allocation.rawValue)" + (hairpins ? "/hairpin" : "")
      + (unexpectedInbound == .ignored ? "" : "/\(unexpectedInbound.rawValue)")
  }
}

extension NATBehaviour.Dependence: Comparable {
  /// Whether `left` depends on less.
  public static func < (left: Self, right: Self) -> Bool {
    switch (left, right) {
    case (.nothing, .address), (.nothing, .addressAndPort), (.address, .addressAndPort): true
    default: false
    }
  }
}
