import Datagrams
import HolePunching

/// Every kind of network against every other: where a path must be found, how fast, and with how many datagrams.
public enum PathMatrix {
  /// A row or a column.
  public struct Kind: Hashable, Sendable {
    /// As in the table.
    public let name: String
    /// What is before the host.
    public let surroundings: Surroundings
    /// Whether the NAT's ports follow a rule; nil for NATs whose mapping is endpoint-independent.
    let hasRule: Bool?

    var isSymmetric: Bool { hasRule != nil }
    /// What a look at everything says of such a network.
    public var traits: NATTraits {
      let allocations = Set(surroundings.nats.map(\.allocation))
      let allocation: PortAllocation =
        allocations.contains(.random) ? .random : allocations.contains(.sequential) ? .sequential(step: 1) : .preserving
      return NATTraits(
        mapping: surroundings.mapping.behavior, filtering: surroundings.filtering.filteringBehavior,
        allocation: isSymmetric ? allocation : .unknown)
    }

    /// Whether a datagram from any port of an address that was sent to comes in.
    var admitsAnyPort: Bool { surroundings.filtering < .addressAndPort }
  }

  private static func kind(_ name: String, _ nats: NATBehaviour..., hasRule: Bool? = nil) -> Kind {
    Kind(name: name, surroundings: Surroundings(nats), hasRule: hasRule)
  }

  /// The rows and columns of the table.
  public static let kinds: [Kind] = [
    kind("open"), kind("full cone", .fullCone), kind("address-restricted", .addressRestricted),
    kind("port-restricted", .portRestricted),
    kind("symmetric, sequential", .symmetric.with(\.allocation, .sequential), hasRule: true),
    kind("symmetric, random", .symmetric, hasRule: false),
    kind("double NAT", .portRestricted, .portRestricted),
  ]

  /// More that the tests play: NATs that do harm on unexpected datagrams, forget fast, or preserve ports although they are symmetric.
  public static let rarer: [Kind] = [
    kind("drops mappings", .portRestricted.with(\.unexpectedInbound, .dropsMapping)),
    kind("claims ports", .portRestricted.with(\.unexpectedInbound, .claimsPort)),
    kind("forgets after 20 s", .portRestricted.with(\.mappingTimeout, .seconds(20))),
    kind("symmetric, preserving", .symmetric.with(\.allocation, .preserving), hasRule: true),
    kind("symmetric by address", .symmetric.with(\.mapping, .address), hasRule: false),
    kind("port-restricted behind full cone", .portRestricted, .fullCone),
    kind("symmetric behind port-restricted", .symmetric, .portRestricted, hasRule: false),
  ]

  /// Which wires a cell is played on.
  public enum Wires: String, Hashable, Sendable, CaseIterable {
    /// 20 ms and no loss.
    case good
    /// A tenth lost, 300 ms of round trip, jitter, duplicates, datagrams that overtake others.
    case bad
  }

  /// A cell.
  public struct Cell: Hashable, Sendable, CustomStringConvertible {
    /// The side that was invited.
    public let acceptor: Kind
    /// The side that chooses.
    public let inviter: Kind
    /// How they hang together.
    public let arrangement: PathScenario.Arrangement
    /// What the wires are like.
    public let wires: Wires

    /// The kinds of both sides, and what is special.
    public var description: String {
      let kinds =
        arrangement == .apart ? "\(acceptor.name) x \(inviter.name)" : "\(arrangement.rawValue), \(acceptor.name)"
      return wires == .good ? kinds : kinds + ", bad wires"
    }

    /// What a path must be: certain; likely; possible; or impossible.
    public var expectation: Expectation {
      guard arrangement == .apart, acceptor.isSymmetric || inviter.isSymmetric else { return .certain }
      if acceptor.isSymmetric, inviter.isSymmetric {
        guard acceptor.hasRule == true, inviter.hasRule == true else { return .impossible }
        let allocations = Set([acceptor, inviter].flatMap { $0.surroundings.nats.map(\.allocation) })
        return allocations.count == 1 ? .likely : .impossible
      }
      let (symmetric, other) = acceptor.isSymmetric ? (acceptor, inviter) : (inviter, acceptor)
      let dropsMappings = other.surroundings.nats.contains { $0.unexpectedInbound == .dropsMapping }
      // A third to nine tenths of such searches find one: docs/punching.md, "What remains".
      let keepsPorts = symmetric.surroundings.nats.contains { $0.allocation == .preserving }
      if dropsMappings && keepsPorts { return .possible }
      return other.admitsAnyPort || other.surroundings.nats.isEmpty ? .certain : .likely
    }

    /// What the seed makes of this cell: delays, strangers behind the NATs, whether filters are told.
    public func scenario(random: inout SeededGenerator) -> PathScenario {
      var sides = [PathSide(acceptor.surroundings), PathSide(inviter.surroundings)]
      for index in sides.indices {
        sides[index].tellsFiltering = random.chance(0.3)
        sides[index].strangers = Int.random(in: 0...30, using: &random)
      }
      var scenario = PathScenario(acceptor: sides[0], inviter: sides[1])
      scenario.arrangement = arrangement
      scenario.answerDelay = .milliseconds(Int.random(in: 50...2500, using: &random))
      if wires == .bad {
        scenario.wire = LinkSettings(
          loss: 0.1, delay: .milliseconds(150), jitter: .milliseconds(30), duplication: 0.03, reordering: 0.05)
      }
      return scenario
    }

    /// Plays the schedule of a seed.
    public func run(seed: UInt64) -> PathScenario.Run {
      var random = SeededGenerator(seed: seed)
      return scenario(random: &random).run(seed: random.next())
    }
  }

  /// Whether there is a path to be found.
  public enum Expectation: Hashable, Sendable {
    /// In every schedule.
    case certain
    /// In 19 of 20.
    case likely
    /// If all goes well.
    case possible
    /// Never; both sides must say so.
    case impossible
  }

  /// All pairs of kinds, both ways round, and the arrangements in which both sides share something.
  public static func cells(rarer includesRarer: Bool = false, wires: Wires = .good) -> [Cell] {
    let all = includesRarer ? kinds + rarer : kinds
    let apart = all.flatMap { acceptor in
      all.map { Cell(acceptor: acceptor, inviter: $0, arrangement: .apart, wires: wires) }
    }
    let shared: [(PathScenario.Arrangement, Kind)] = [
      (.sameLAN, kind("port-restricted", .portRestricted)), (.sameLAN, kind("symmetric", .symmetric, hasRule: false)),
      (.sameProvider, kind("both layers hairpin", .portRestricted, .fullCone.with(\.hairpins, true))),
      (.ipv6, kind("open")), (.ipv6, kind("firewalls", .portRestricted)),
    ]
    return apart + shared.map { Cell(acceptor: $1, inviter: $1, arrangement: $0, wires: wires) }
  }
}

extension PathMatrix.Cell {
  /// What is wrong with a schedule; nil if nothing is. A likely path that was not found is not wrong by itself.
  public func complaint(_ run: PathScenario.Run) -> String? {
    if run.peakPerSecond > 200 { return "\(run.peakPerSecond) datagrams in a second towards one address" }
    switch (run.acceptor, run.inviter) {
    case (nil, _), (_, nil): return "a side did not end"
    // A NAT that drops the mapping of the chosen path in the moment of the choice leaves one side in error.
    case (.success?, .failure(_)?), (.failure(_)?, .success?): return oneSided(run)
    case (.success?, .success?): return run.isUsable ? nil : "the paths of both sides do not fit"
    case (.failure(let acceptor)?, .failure(let inviter)?):
      switch expectation {
      case .certain: return "no path: \(acceptor.code); \(inviter)"
      case .likely, .possible: return nil
      case .impossible:
        return acceptor.code == .bothSymmetric && inviter.code == .bothSymmetric
          ? nil : "\(acceptor.code); \(inviter.code)"
      }
    }
  }

  private func oneSided(_ run: PathScenario.Run) -> String? {
    guard expectation != .possible else { return nil }
    let ends = [run.acceptor, run.inviter].map { end -> String in
      switch end {
      case .success?: "has a path"
      case .failure(let failure)?: "has none: \(failure)"
      case nil: "did not end"
      }
    }
    return "the acceptor \(ends[0]); the inviter \(ends[1])"
  }
}
