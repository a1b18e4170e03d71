import Datagrams
import HolePunching
import PlexusTesting
import Testing

/// The simulator does what RFC 4787 says of each kind.
@Suite struct SimulatedNetworkTests {
  private static let local = Endpoint(address: .v4(0x0A00_0002), port: 5000)
  private static let other = Endpoint(address: .v4(0x0A00_0003), port: 5000)
  private static let external = IPAddress.v4(0xC633_6401)
  /// Two public addresses with two ports each.
  private static let remotes = [0xCB00_7101, 0xCB00_7102].flatMap { address in
    [UInt16(1), 2].map { Endpoint(address: .v4(address), port: $0) }
  }

  @Test(arguments: NATBehaviour.Dependence.allCases, NATBehaviour.PortAllocation.allCases)
  func mappingsDependOnWhatTheyShould(
    _ mapping: NATBehaviour.Dependence, _ allocation: NATBehaviour.PortAllocation
  ) throws {
    let network = SimulatedNetwork(seed: 1)
    let nat = network.addNAT(
      NATBehaviour(mapping: mapping, filtering: .nothing, allocation: allocation), address: Self.external)
    let seen = try Self.remotes.map { remote in
      try #require(network.mappedEndpoint(of: Self.local, behind: nat, towards: remote))
    }
    #expect(seen.allSatisfy { $0.address == Self.external })
    let expected = [.nothing: 1, .address: 2, .addressAndPort: 4][mapping]
    #expect(Set(seen).count == expected)
    #expect(seen[0] == network.mappedEndpoint(of: Self.local, behind: nat, towards: Self.remotes[0]))
    switch allocation {
    case .preserving: #expect(seen[0].port == Self.local.port)
    case .sequential: #expect(seen[0].port == 20_000)
    case .random: #expect(seen[0].port >= 1024)
    }
    let second = try #require(network.mappedEndpoint(of: Self.other, behind: nat, towards: Self.remotes[0]))
    #expect(!seen.contains(second))
  }

  @Test(arguments: NATBehaviour.Dependence.allCases)
  func filtersDependOnWhatTheyShould(_ filtering: NATBehaviour.Dependence) throws {
    let network = SimulatedNetwork(seed: 1)
    let nat = network.addNAT(NATBehaviour(mapping: .nothing, filtering: filtering), address: Self.external)
    let inbox = Recorder(in: network, at: Self.local, behind: nat)
    network.send(Transmit(to: Self.remotes[0], payload: []), from: Self.local, behind: nat)
    let mapped = Endpoint(address: Self.external, port: Self.local.port)
    for remote in Self.remotes { network.send(Transmit(to: mapped, payload: []), from: remote) }
    let expected = [.nothing: 4, .address: 2, .addressAndPort: 1][filtering] ?? 0
    #expect(inbox.sources == Array(Self.remotes.prefix(expected)))
  }

  @Test func mappingsAndFiltersAreForgotten() throws {
    let network = SimulatedNetwork(seed: 1)
    var behaviour = NATBehaviour.portRestricted
    behaviour.allocation = .sequential
    let nat = network.addNAT(behaviour, address: Self.external)
    let inbox = Recorder(in: network, at: Self.local, behind: nat)
    let first = try #require(network.mappedEndpoint(of: Self.local, behind: nat, towards: Self.remotes[0]))
    network.run(until: .zero.advanced(by: .seconds(119)))
    network.send(Transmit(to: first, payload: [1]), from: Self.remotes[0])
    #expect(network.mappedEndpoint(of: Self.local, behind: nat, towards: Self.remotes[1]) == first)
    network.run(until: .zero.advanced(by: .seconds(130)))
    // The mapping was used since, but not towards this one.
    network.send(Transmit(to: first, payload: [2]), from: Self.remotes[0])
    #expect(inbox.sources.count == 1)
    network.run(until: .zero.advanced(by: .seconds(300)))
    #expect(network.mappedEndpoint(of: Self.local, behind: nat, towards: Self.remotes[0]) != first)
  }

  @Test(arguments: [false, true])
  func neighboursMeetByTheirExternalEndpointsWhereTheNATHairpins(_ hairpins: Bool) throws {
    let network = SimulatedNetwork(seed: 1)
    var behaviour = NATBehaviour.portRestricted
    behaviour.hairpins = hairpins
    let nat = network.addNAT(behaviour, address: Self.external)
    let sockets = [Self.local, Self.other]
    let seen = try sockets.map {
      try #require(network.mappedEndpoint(of: $0, behind: nat, towards: Self.remotes[0]))
    }
    let hosts = zip(sockets, zip([PunchRole.accepting, .inviting], seen.reversed())).map { socket, end in
      let host = CoreHost(socket: socket, start: .zero) { now in
        Puncher(role: end.0, secret: 5, peer: end.1, now: now, generator: SeededGenerator(seed: UInt64(socket.port)))
      }
      network.add(host, sockets: [socket], behind: nat)
      return host
    }
    network.run(until: .zero.advanced(by: .seconds(100)))
    for host in hosts {
      switch try #require(host.outcome) {
      case .success: #expect(hairpins)
      case .failure(let failure): #expect(!hairpins && failure.code == .peerSilent)
      }
    }
  }

  @Test func hopLimitsEndWhereTheyShould() {
    let network = SimulatedNetwork(seed: 1)
    let nat = network.addNAT(.fullCone, address: Self.external, hops: 4)
    let inbox = Recorder(in: network, at: Self.remotes[0], hops: 3)
    var expired = 0
    network.trace = { event, _, _ in if event == .expired { expired += 1 } }
    // The NAT, four routers, and three routers.
    for hopLimit in UInt8(1)...10 {
      network.send(
        Transmit(to: Self.remotes[0], payload: [hopLimit], hopLimit: hopLimit), from: Self.local, behind: nat)
    }
    #expect(inbox.payloads == [[9], [10]])
    #expect(expired == 8)
  }

  @Test func serversAnswerFromAnyOfTheirAddresses() {
    let network = SimulatedNetwork(seed: 1, wire: LinkSettings(delay: .milliseconds(10)))
    let nat = network.addNAT(.fullCone, address: Self.external)
    let inbox = Recorder(in: network, at: Self.local, behind: nat)
    let server = SimulatedServer { datagram, _, _ in
      Self.remotes.map { (Transmit(to: datagram.source, payload: datagram.payload), $0) }
    }
    network.add(server, sockets: Set(Self.remotes))
    network.send(Transmit(to: Self.remotes[3], payload: [9]), from: Self.local, behind: nat)
    network.run(until: .zero.advanced(by: .milliseconds(19)))
    #expect(inbox.sources.isEmpty)
    network.run(until: .zero.advanced(by: .milliseconds(20)))
    #expect(inbox.sources == Self.remotes)
  }

  @Test func wiresLoseDuplicateAndReorderAsTold() {
    let wire = LinkSettings(loss: 0.3, delay: .milliseconds(5), duplication: 0.1, reordering: 0.1)
    let arrivals = (0..<2).map { _ in
      let network = SimulatedNetwork(seed: 42, wire: wire)
      let inbox = Recorder(in: network, at: Self.remotes[0])
      for number in 0..<4000 {
        network.send(Transmit(to: Self.remotes[0], payload: [UInt8(number % 250)]), from: Self.remotes[2])
        network.run(until: network.now.advanced(by: .milliseconds(1)))
      }
      network.run(until: network.now.advanced(by: .seconds(1)))
      return inbox.payloads
    }
    #expect(arrivals[0] == arrivals[1])
    #expect((2900...3260).contains(arrivals[0].count))
    #expect(zip(arrivals[0], arrivals[0].dropFirst()).contains { $1[0] < $0[0] && $0[0] - $1[0] < 60 })
  }
}

/// A host that keeps what arrives.
private final class Recorder {
  private(set) var datagrams: [Datagram] = []
  var sources: [Endpoint] { datagrams.map(\.source) }
  var payloads: [[UInt8]] { datagrams.map(\.payload) }

  init(in network: SimulatedNetwork, at socket: Endpoint, behind nat: SimulatedNetwork.NAT? = nil, hops: Int = 0) {
    let server = SimulatedServer { [weak self] datagram, _, _ in
      self?.datagrams.append(datagram)
      return []
    }
    network.add(server, sockets: [socket], behind: nat, hops: hops)
  }
}
