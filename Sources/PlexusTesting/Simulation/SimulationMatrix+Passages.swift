import Datagrams

extension SimulationMatrix {
  /// A side of a passage; port allocation is the schedule's.
  struct Side: Sendable {
    let name: String
    let surroundings: Surroundings

    init(_ name: String, _ nats: NATBehaviour...) {
      (self.name, surroundings) = (name, Surroundings(nats))
    }

    init(_ name: String, _ surroundings: Surroundings) {
      (self.name, self.surroundings) = (name, surroundings)
    }

    func drawn(random: inout SeededGenerator) -> Surroundings {
      guard !surroundings.isFirewall else { return surroundings }
      var drawn = surroundings
      for index in drawn.nats.indices {
        drawn.nats[index].allocation = NATBehaviour.PortAllocation.allCases.randomElement(using: &random) ?? .preserving
      }
      return drawn
    }
  }

  static let sides: [Side] =
    [
      Side("open", .open), Side("firewall", .firewall(.addressAndPort)),
    ]
    + plainNATs.map { Side("\($0.mapping.rawValue)/\($0.filtering.rawValue)", $0) }
    + NATBehaviour.UnexpectedInbound.allCases.filter { $0 != .ignored }.map {
      Side("port-restricted, \($0.rawValue)", NATBehaviour.portRestricted.with(\.unexpectedInbound, $0))
    }
    + [
      Side("port-restricted behind port-restricted", .portRestricted, .portRestricted),
      Side("address-restricted behind full cone", .addressRestricted, .fullCone),
      Side("full cone behind port-restricted", .fullCone, .portRestricted),
      Side("symmetric behind full cone", .symmetric, .fullCone),
      Side("full cone behind symmetric", .fullCone, .symmetric),
    ]

  static func pairs(of sides: [Side]) -> [(acceptor: Side, inviter: Side)] {
    sides.flatMap { acceptor in sides.map { (acceptor, $0) } }
  }

  /// What the seed makes of a pair, and the seed for the run.
  static func passage(_ acceptor: Side, _ inviter: Side, seed: UInt64) -> (scenario: PassageScenario, seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var scenario = PassageScenario(
      acceptor: acceptor.drawn(random: &random), inviter: inviter.drawn(random: &random))
    scenario.servers = STUNServerSet.allCases.randomElement(using: &random) ?? .twoPlain
    // With a third lost, one exploration in forty would get no answer at all.
    scenario.wire = .adverse(loss: 0.1, random: &random)
    scenario.invitationDelay = random.duration(upTo: .seconds(10))
    // The acceptor sends nothing that reaches the inviter's NAT in the first three seconds.
    scenario.answerDelay = random.duration(upTo: .milliseconds(2500))
    return (scenario, random.next())
  }
}

extension PassageScenario {
  /// Gives all NATs this timeout.
  public mutating func forgetMappings(after timeout: Duration) {
    for index in acceptor.nats.indices { acceptor.nats[index].mappingTimeout = timeout }
    for index in inviter.nats.indices { inviter.nats[index].mappingTimeout = timeout }
  }
}

extension NATBehaviour {
  func with<Value>(_ property: WritableKeyPath<NATBehaviour, Value>, _ value: Value) -> NATBehaviour {
    var behaviour = self
    behaviour[keyPath: property] = value
    return behaviour
  }
}
