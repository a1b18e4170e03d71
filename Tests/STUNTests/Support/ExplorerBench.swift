import Datagrams
import PlexusTesting
import Testing

@testable import STUN

/// Runs an explorer against servers of the test's making, behind a NAT, a firewall or nothing.
struct ExplorerBench {
  /// A server: what it answers to what.
  struct Server {
    var endpoints: [Endpoint]
    var respond: SimulatedServer.Respond

    /// The real core of our own server.
    static func real(_ endpoints: [String]) -> Server {
      let endpoints = endpoints.compactMap(Endpoint.init)
      return Server(endpoints: endpoints, respond: SimulatedServer.stunResponder(on: endpoints))
    }

    static func scripted(_ endpoint: String, _ answer: @escaping (Datagram) -> [UInt8]?) -> Server {
      Server(endpoints: [endpoint].compactMap(Endpoint.init)) { datagram, socket, _ in
        answer(datagram).map { [(Transmit(to: datagram.source, payload: $0), socket)] } ?? []
      }
    }
  }

  struct Run {
    var report: NetworkReport
    /// With the milliseconds of their time.
    var events: [(time: Int, event: ExplorationEvent)]
    var sent: [(time: Int, transmit: SocketTransmit)]
  }

  /// Of each datagram, one way.
  var delay = Duration.milliseconds(10)
  var nat: NATBehaviour?
  /// More external addresses of the NAT.
  var otherAddresses: [IPAddress] = []
  /// Without a NAT: lets in what it would let in.
  var firewall: FilteringBehavior = .endpointIndependent
  var servers: [Server]
  /// Whether the datagram from, to, counted from 0 for this pair, gets lost.
  var loses: (_ source: Endpoint, _ destination: Endpoint, _ number: Int) -> Bool = { _, _, _ in false }
  /// Whether each datagram is delivered twice.
  var duplicates = false

  init(nat: NATBehaviour? = nil, servers: [Server]) {
    (self.nat, self.servers) = (nat, servers)
  }

  func explore(_ names: [String]? = nil, configuration: NetworkExplorer.Configuration = .init()) throws -> Run {
    let network = SimulatedNetwork(
      seed: 1, wire: LinkSettings(delay: delay, duplication: duplicates ? 1 : 0))
    var counts: [[Endpoint]: Int] = [:]
    network.intercept = { packet, _ in
      let number = counts[[packet.source, packet.destination], default: 0]
      counts[[packet.source, packet.destination]] = number + 1
      return loses(packet.source, packet.destination, number)
    }
    for server in servers {
      network.add(SimulatedServer(respond: server.respond), sockets: Set(server.endpoints))
    }
    let publicAddress = IPAddress.v4(0xCB00_7101)
    let gateway = network.addNAT(
      nat ?? NATBehaviour(.endpointIndependent, firewall), address: publicAddress, and: otherAddresses)
    let asked = names?.compactMap(Endpoint.init) ?? servers.map { $0.endpoints[0] }
    let host = ExploringHost(
      address: nat == nil ? publicAddress : .v4(0x0A00_0002), firstPort: 50_000,
      servers: asked.map(STUNServer.init(endpoint:)), configuration: configuration, random: SeededGenerator(seed: 1))
    network.add(host, sockets: Set(host.sockets), behind: gateway)
    network.run(until: .zero.advanced(by: .seconds(100))) { host.report != nil }
    return Run(
      report: try #require(host.report), events: host.events.map { (Self.milliseconds($0.time), $0.event) },
      sent: host.sent.map { (Self.milliseconds($0.time), $0.transmit) })
  }

  private static func milliseconds(_ time: Instant) -> Int { Int(time.nanoseconds / 1_000_000) }
}

extension NATBehaviour {
  /// A NAT of which these are the right verdicts.
  init(_ mapping: MappingBehavior, _ filtering: FilteringBehavior) {
    let mapping: Dependence =
      switch mapping {
      case .endpointIndependent, .unknown: .nothing
      case .addressDependent: .address
      case .addressAndPortDependent, .endpointDependent: .addressAndPort
      }
    let filtering: Dependence =
      switch filtering {
      case .endpointIndependent, .unknown: .nothing
      case .addressDependent: .address
      case .addressAndPortDependent: .addressAndPort
      }
    self.init(mapping: mapping, filtering: filtering)
  }
}
