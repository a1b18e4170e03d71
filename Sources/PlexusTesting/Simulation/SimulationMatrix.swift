import Datagrams
import STUN

/// Every NAT against every other: the cells that our tests and `plexus-lab simulate` play.
public enum SimulationMatrix {
  /// Every mapping, filter, port allocation and hairpinning of one NAT.
  public static let nats: [NATBehaviour] = kinds(
    allocations: NATBehaviour.PortAllocation.allCases, hairpinning: [false, true])

  /// Every mapping and filter of one NAT, with the port allocation and hairpinning that are most common.
  static let plainNATs: [NATBehaviour] = kinds(allocations: [.preserving], hairpinning: [false])

  /// No NAT, firewalls, and single NATs, those too that do harm on unexpected datagrams.
  static let single: [Surroundings] =
    [.open] + NATBehaviour.Dependence.allCases.map(Surroundings.firewall) + nats.map { Surroundings([$0]) }
    + touchyNATs.map { Surroundings([$0]) }

  static let touchyNATs: [NATBehaviour] = nats.filter { $0.mapping == .nothing && $0.filtering != .nothing }.flatMap {
    nat in
    [NATBehaviour.UnexpectedInbound.dropsMapping, .claimsPort].map { nat.with(\.unexpectedInbound, $0) }
  }

  /// Explorations over wires that lose nothing: they must tell the truth, as far as the servers can.
  ///
  /// - Parameter full: also every port allocation and hairpinning of two layers of NAT, and both scopes; 36,000 cells.
  public static func exactExplorations(full: Bool = false) -> [MatrixCell] {
    let layers = full ? nats : plainNATs
    let double = layers.flatMap { inner in layers.map { Surroundings([inner, $0]) } }
    let scopes: [NetworkExplorer.Scope] = full ? [.everything, .mapping] : [.everything]
    return cells(
      single.flatMap { explorations(of: $0, scopes: [.everything, .mapping]) }
        + double.flatMap { explorations(of: $0, scopes: scopes) })
  }

  /// Explorations over wires that lose, delay, duplicate and reorder.
  public static let adverseExplorations: [MatrixCell] = {
    let double = plainNATs.flatMap { inner in plainNATs.map { Surroundings([inner, $0]) } }
    let scenarios =
      single.flatMap { explorations(of: $0, scopes: [.everything, .mapping]) }
      + double.flatMap { explorations(of: $0, servers: [.twoAddresses], scopes: [.everything]) }
    return scenarios.map { scenario in
      MatrixCell("\(scenario)") { seed in
        var random = SeededGenerator(seed: seed)
        var scenario = scenario
        scenario.wire = .adverse(random: &random)
        return scenario.complaint(seed: random.next())
      }
    }
  }()

  /// Whole passages between every pair of sides, over wires that lose up to a tenth; the schedules of a cell also
  /// differ in port allocation, servers and delays.
  public static let passages: [MatrixCell] = pairs(of: sides).map { acceptor, inviter in
    MatrixCell("\(acceptor.name) x \(inviter.name)") { seed in
      let (scenario, seed) = passage(acceptor, inviter, seed: seed)
      return scenario.complaint(seed: seed)
    }
  }

  /// Passages whose inviter waits for the answer a minute, behind NATs that forget a mapping after 30 s.
  public static let longWaits: [MatrixCell] = pairs(of: sides.filter(\.surroundings.isPunchable)).map {
    acceptor, inviter in
    MatrixCell("\(acceptor.name) x \(inviter.name), a minute's wait") { seed in
      var (scenario, seed) = passage(acceptor, inviter, seed: seed)
      scenario.forgetMappings(after: .seconds(30))
      scenario.invitationDelay = .seconds(60)
      return scenario.complaint(seed: seed)
    }
  }

  private static func kinds(
    allocations: [NATBehaviour.PortAllocation], hairpinning: [Bool]
  ) -> [NATBehaviour] {
    NATBehaviour.Dependence.allCases.flatMap { mapping in
      NATBehaviour.Dependence.allCases.flatMap { filtering in
        allocations.flatMap { allocation in
          hairpinning.map {
            NATBehaviour(mapping: mapping, filtering: filtering, allocation: allocation, hairpins: $0)
          }
        }
      }
    }
  }

  private static func explorations(
    of surroundings: Surroundings, servers: [STUNServerSet] = STUNServerSet.allCases, scopes: [NetworkExplorer.Scope]
  ) -> [ExplorationScenario] {
    servers.flatMap { servers in
      scopes.map { ExplorationScenario(surroundings, servers: servers, scope: $0) }
    }
  }

  private static func cells(_ scenarios: [ExplorationScenario]) -> [MatrixCell] {
    scenarios.map { scenario in MatrixCell("\(scenario)") { scenario.complaint(seed: $0) } }
  }
}
