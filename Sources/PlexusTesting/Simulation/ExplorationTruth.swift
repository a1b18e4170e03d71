import STUN

/// What a report must say where nothing gets lost: the truth, as far as the servers can tell it.
struct ExplorationTruth {
  var mapping: MappingBehavior
  var filtering: FilteringBehavior
  var hairpins: Bool?
  private let seesPortsOnly: Bool

  init(of scenario: ExplorationScenario) {
    let surroundings = scenario.surroundings
    mapping = Self.mapping(of: surroundings, servers: scenario.servers)
    filtering = .unknown
    seesPortsOnly = scenario.scope == .everything && scenario.servers == .twoPorts
    if scenario.scope == .everything {
      filtering = Self.filtering(of: surroundings, servers: scenario.servers)
      hairpins = surroundings.isTranslated ? surroundings.hairpins : nil
    }
  }

  /// A missing answer leaves a mapping verdict open, or how far it depends; it never makes one up.
  var weakerMappings: [MappingBehavior] {
    mapping.isSymmetric == true ? [mapping, .endpointDependent, .unknown] : [mapping, .unknown]
  }

  /// A filter that seems to stop what got lost seems stricter than it is, and never more open.
  var stricterFilterings: [FilteringBehavior] {
    let all: [FilteringBehavior] = [.endpointIndependent, .addressDependent, .addressAndPortDependent]
    guard let index = all.firstIndex(of: filtering) else {
      // A server with one address can say nothing but that the port counts.
      return seesPortsOnly ? [.unknown, .addressAndPortDependent] : [.unknown]
    }
    return all[index...] + [.unknown]
  }

  private static func mapping(of surroundings: Surroundings, servers: STUNServerSet) -> MappingBehavior {
    guard surroundings.isTranslated else { return .endpointIndependent }
    return switch (servers, surroundings.mapping) {
    case (.twoAddresses, .nothing), (.deadAndTwoAddresses, .nothing), (.twoPlain, .nothing),
      (.deadAndTwoPlain, .nothing):
      .endpointIndependent
    case (.twoAddresses, .address), (.deadAndTwoAddresses, .address): .addressDependent
    case (.twoAddresses, .addressAndPort), (.deadAndTwoAddresses, .addressAndPort), (.twoPorts, .addressAndPort):
      .addressAndPortDependent
    case (.twoPlain, .address), (.twoPlain, .addressAndPort), (.deadAndTwoPlain, .address),
      (.deadAndTwoPlain, .addressAndPort):
      .endpointDependent
    case (.plain, _), (.twoPorts, .nothing), (.twoPorts, .address): .unknown
    }
  }

  private static func filtering(of surroundings: Surroundings, servers: STUNServerSet) -> FilteringBehavior {
    switch (servers, surroundings.filtering) {
    case (.twoAddresses, .nothing), (.deadAndTwoAddresses, .nothing): .endpointIndependent
    case (.twoAddresses, .address), (.deadAndTwoAddresses, .address): .addressDependent
    case (.twoAddresses, .addressAndPort), (.deadAndTwoAddresses, .addressAndPort), (.twoPorts, .addressAndPort):
      .addressAndPortDependent
    case (.plain, _), (.twoPlain, _), (.deadAndTwoPlain, _), (.twoPorts, .nothing), (.twoPorts, .address): .unknown
    }
  }
}
