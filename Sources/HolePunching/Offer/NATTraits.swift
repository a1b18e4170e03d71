import Datagrams
import STUN

/// What a side knows of the NATs before it (RFC 4787), as far as its peer can make use of it.
public struct NATTraits: Hashable, Sendable {
  /// What the public endpoint depends on.
  public var mapping: MappingBehavior
  /// Who is let in.
  public var filtering: FilteringBehavior
  /// How the NAT chooses public ports; told by symmetric ones only, the others show their port.
  public var allocation: PortAllocation
  /// Public ports of fresh sockets, in the order of their making, the latest last.
  public var sampledPorts: [UInt16]

  /// No more are kept of what a peer tells.
  public static let maximumSamples = 32

  /// Traits; nothing is known by default.
  public init(
    mapping: MappingBehavior = .unknown, filtering: FilteringBehavior = .unknown,
    allocation: PortAllocation = .unknown, sampledPorts: [UInt16] = []
  ) {
    self.mapping = mapping
    self.filtering = filtering
    self.allocation = allocation
    self.sampledPorts = Array(sampledPorts.suffix(Self.maximumSamples))
  }

  /// Whether each destination sees another public endpoint. Not knowing is taken for no: most NATs are not.
  public var isSymmetric: Bool { mapping.isSymmetric == true }

  /// Whether the NAT lets in whoever has an address that was sent to, whatever the port. Not knowing is taken for no.
  var admitsAnyPort: Bool { filtering == .endpointIndependent || filtering == .addressDependent }
}

/// How a NAT chooses the public port of a new mapping (RFC 4787 4.2.1).
public enum PortAllocation: Hashable, Sendable {
  /// The port of the socket, if it is free.
  case preserving
  /// Each time the last port and a step, which may be negative.
  case sequential(step: Int)
  /// Nothing that could be seen.
  case random
  /// Nobody looked.
  case unknown

  /// Steps beyond that are no rule.
  static let longestStep = 64
}

extension NATTraits: Codable {
  private enum CodingKeys: String, CodingKey {
    case mapping = "m"
    case filtering = "f"
    case allocation = "a"
    case step = "s"
    case sampledPorts = "p"
  }

  /// Reads what a peer wrote; what is missing or new to us is unknown.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    func word(_ key: CodingKeys) -> String? { try? container.decode(String.self, forKey: key) }
    let step = (try? container.decode(Int.self, forKey: .step)) ?? 0
    let allocation: PortAllocation =
      switch word(.allocation) {
      case "preserving": .preserving
      case "sequential" where step != 0 && step.magnitude <= PortAllocation.longestStep: .sequential(step: step)
      case "random": .random
      default: .unknown
      }
    self.init(
      mapping: word(.mapping).flatMap(MappingBehavior.init) ?? .unknown,
      filtering: word(.filtering).flatMap(FilteringBehavior.init) ?? .unknown, allocation: allocation,
      sampledPorts: (try? container.decode([UInt16].self, forKey: .sampledPorts)) ?? [])
  }

  /// Writes what is known.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(mapping, forKey: .mapping)
    if filtering != .unknown { try container.encode(filtering, forKey: .filtering) }
    switch allocation {
    case .preserving: try container.encode("preserving", forKey: .allocation)
    case .sequential(let step):
      try container.encode("sequential", forKey: .allocation)
      try container.encode(step, forKey: .step)
    case .random: try container.encode("random", forKey: .allocation)
    case .unknown: break
    }
    if !sampledPorts.isEmpty { try container.encode(sampledPorts, forKey: .sampledPorts) }
  }

}
