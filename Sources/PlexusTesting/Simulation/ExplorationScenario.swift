import Datagrams
import STUN

/// A host that explores its network, and the truth to hold its report against.
public struct ExplorationScenario: Hashable, Sendable {
  /// What is between the host and the servers.
  public var surroundings: Surroundings
  /// Whom it asks.
  public var servers: STUNServerSet
  /// How much it wants to know.
  public var scope: NetworkExplorer.Scope
  /// What the public wires are like.
  public var wire: LinkSettings

  /// A scenario.
  public init(
    _ surroundings: Surroundings, servers: STUNServerSet = .twoAddresses,
    scope: NetworkExplorer.Scope = .everything, wire: LinkSettings = LinkSettings(delay: .milliseconds(10))
  ) {
    (self.surroundings, self.servers, self.scope, self.wire) = (surroundings, servers, scope, wire)
  }

  /// The address that servers see.
  public static let publicAddress = IPAddress.v4(0xCB00_710A)

  /// Explores.
  public func run(seed: UInt64) -> NetworkReport? {
    var random = SeededGenerator(seed: seed)
    let network = SimulatedNetwork(seed: random.next(), wire: wire)
    servers.install(in: network)
    let (nat, address) = surroundings.build(
      in: network, publicAddress: Self.publicAddress, privateAddress: .v4(0x0A00_0002))
    let host = ExploringHost(
      // No NAT hands out ports below 1024 at random, so none preserves one by chance.
      address: address, firstPort: 600, servers: servers.servers, configuration: .init(scope: scope),
      random: random.split())
    network.add(host, sockets: Set(host.sockets), behind: nat)
    network.run(until: .zero.advanced(by: .seconds(10))) { host.report != nil }
    return host.report
  }

  /// What is wrong with the report of a run; nil if nothing is.
  ///
  /// Over wires that lose nothing a report says exactly what these servers can tell. Where something gets lost it may say
  /// less; only the verdicts on filtering and hairpinning, which rest on silences, may then be stricter than the truth.
  /// The same holds behind NATs on which unexpected datagrams do harm, because the tests of the filter send such.
  public func complaint(seed: UInt64) -> String? {
    guard let report = run(seed: seed) else { return "the exploration did not end" }
    let truth = ExplorationTruth(of: self)
    let isExact = wire.loss == 0
    var complaints: [String] = []
    func check(_ isRight: Bool, _ what: String, _ said: Any?, _ expected: Any?) {
      if !isRight { complaints.append("\(what) is \(said ?? "nil"), not \(expected ?? "nil")") }
    }
    check(
      isExact ? report.mapping == truth.mapping : truth.weakerMappings.contains(report.mapping), "mapping",
      report.mapping, truth.mapping)
    check(
      isExact && !surroundings.isTouchy
        ? report.filtering == truth.filtering : truth.stricterFilterings.contains(report.filtering),
      "filtering", report.filtering, truth.filtering)
    check(
      report.hairpins == truth.hairpins || !(isExact && !surroundings.isTouchy) && report.hairpins != true, "hairpins",
      report.hairpins, truth.hairpins)
    check(
      report.isTranslated == surroundings.isTranslated || !isExact && report.isTranslated == nil, "translated",
      report.isTranslated, surroundings.isTranslated)
    // Only the first of several mappings keeps the port, and that may be the one to a server that is dead.
    check(
      report.isPortPreserved == surroundings.preservesPort || !isExact && report.isPortPreserved == nil
        || report.isPortPreserved == false && (surroundings.isTouchy || !surroundings.isPunchable),
      "port preserved", report.isPortPreserved, surroundings.preservesPort)
    check(
      report.publicEndpoint?.address == Self.publicAddress || !isExact && report.publicEndpoint == nil, "public",
      report.publicEndpoint, Self.publicAddress)
    check(report.addressVaries != true, "address varies", report.addressVaries, false)
    let limit: Duration = scope == .everything ? .milliseconds(1500) : .seconds(1)
    check(report.duration <= limit || !isExact, "duration", report.duration, limit)
    return complaints.isEmpty ? nil : complaints.joined(separator: ", ")
  }
}

extension ExplorationScenario: CustomStringConvertible {
  /// The surroundings, the servers and the scope.
  public var description: String { "\(surroundings); \(servers.rawValue); \(scope)" }
}
