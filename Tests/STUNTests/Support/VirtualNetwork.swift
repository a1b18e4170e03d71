import Datagrams

@testable import STUN

/// A server on the virtual network: what it answers to what.
struct VirtualServer {
  var endpoints: [Endpoint]
  var delay = Duration.milliseconds(20)
  var answer: (Datagram, Int, Instant) -> [SocketTransmit]

  /// The real core of our own server.
  static func real(_ endpoints: [String]) -> VirtualServer {
    let endpoints = endpoints.compactMap(Endpoint.init)
    var core = STUNServerCore(endpoints: endpoints, now: .zero)
    return VirtualServer(endpoints: endpoints) { core.receive($0, on: $1, now: $2).map { [$0] } ?? [] }
  }

  static func scripted(_ endpoint: String, _ answer: @escaping (Datagram) -> [UInt8]?) -> VirtualServer {
    VirtualServer(endpoints: [endpoint].compactMap(Endpoint.init)) { datagram, socket, _ in
      answer(datagram).map {
        [SocketTransmit(socket: socket, transmit: Transmit(to: datagram.source, payload: $0))]
      } ?? []
    }
  }
}

/// Runs an explorer against servers in virtual time, through a NAT or none.
struct VirtualNetwork {
  struct Run {
    var report: NetworkReport
    /// With the milliseconds of their time.
    var events: [(time: Int, event: ExplorationEvent)] = []
    var sent: [(time: Int, transmit: SocketTransmit)] = []
  }

  private enum Arrival {
    case atServer(Int, socket: Int, Datagram)
    case atHost(socket: Int, Datagram)
  }

  var nat: VirtualNAT?
  /// Without a NAT: lets in what it would let in.
  var firewall: FilteringBehavior = .endpointIndependent
  var servers: [VirtualServer]
  /// Whether the datagram from, to, counted from 0 for this pair, gets lost.
  var loses: (_ source: Endpoint, _ destination: Endpoint, _ number: Int) -> Bool = { _, _, _ in false }
  /// How often each datagram is delivered.
  var copies = 1

  private var counts: [[Endpoint]: Int] = [:]
  private var arrivals: [(time: Instant, arrival: Arrival)] = []
  private let hostAddress = IPAddress.v4(0x0A00_0002)

  init(nat: VirtualNAT? = nil, servers: [VirtualServer]) {
    (self.nat, self.servers) = (nat, servers)
  }

  mutating func explore(
    _ names: [String]? = nil, configuration: NetworkExplorer.Configuration = .init(), seed: UInt64 = 1
  ) -> Run {
    var random = SeededRandom(seed: seed)
    let asked = names?.compactMap(Endpoint.init) ?? servers.map { $0.endpoints[0] }
    let count = NetworkExplorer.socketCount(scope: configuration.scope, servers: asked.count)
    let sockets = (0..<count).map { Endpoint(address: hostAddress, port: 50_000 + UInt16($0)) }
    var wall = VirtualNAT(.endpointIndependent, firewall)
    wall.publicAddresses = [hostAddress]
    var gateway = nat ?? wall
    var explorer = NetworkExplorer(
      servers: asked.map(STUNServer.init(endpoint:)), localAddresses: asked.map { _ in hostAddress }, sockets: sockets,
      configuration: configuration, now: .zero, using: &random)
    var run = Run(
      report: NetworkReport(
        local: sockets[0], mapping: .unknown, filtering: .unknown, servers: [], duration: .zero))
    var now = Instant.zero
    while true {
      let time = Int(now.nanoseconds / 1_000_000)
      while let pending = explorer.pollTransmit() {
        run.sent.append((time, pending))
        leave(pending, from: sockets[pending.socket], through: &gateway, sockets: sockets, now: now)
      }
      while let event = explorer.pollEvent() {
        run.events.append((time, event))
        if case .finished(let report) = event {
          run.report = report
          return run
        }
      }
      let next = arrivals.indices.min { arrivals[$0].time < arrivals[$1].time }
      let timeout = explorer.pollTimeout() ?? .distantFuture
      if let next, arrivals[next].time <= timeout {
        let (time, arrival) = arrivals.remove(at: next)
        now = time
        switch arrival {
        case .atHost(let socket, let datagram): explorer.receive(datagram, on: socket, now: now)
        case .atServer(let index, let socket, let datagram):
          serve(datagram, server: index, socket: socket, through: gateway, sockets: sockets, now: now)
        }
      } else {
        now = max(now, timeout)
        explorer.handleTimeout(now: now)
      }
    }
  }

  private mutating func isLost(_ source: Endpoint, _ destination: Endpoint) -> Bool {
    let number = counts[[source, destination], default: 0]
    counts[[source, destination]] = number + 1
    return loses(source, destination, number)
  }

  private mutating func leave(
    _ pending: SocketTransmit, from local: Endpoint, through gateway: inout VirtualNAT, sockets: [Endpoint],
    now: Instant
  ) {
    let destination = pending.transmit.destination
    let source = gateway.outbound(from: local, to: destination)
    guard !isLost(local, destination) else { return }
    let datagram = Datagram(from: source, payload: pending.transmit.payload)
    for _ in 0..<copies {
      if gateway.publicAddresses.contains(destination.address) {
        guard gateway.hairpins, let inside = gateway.inbound(from: source, to: destination),
          let socket = sockets.firstIndex(of: inside)
        else { continue }
        arrivals.append((now.advanced(by: .milliseconds(2)), .atHost(socket: socket, datagram)))
      }
      for (index, server) in servers.enumerated() {
        guard let socket = server.endpoints.firstIndex(of: destination) else { continue }
        arrivals.append((now.advanced(by: server.delay / 2), .atServer(index, socket: socket, datagram)))
        break
      }
    }
  }

  private mutating func serve(
    _ datagram: Datagram, server index: Int, socket: Int, through gateway: VirtualNAT, sockets: [Endpoint], now: Instant
  ) {
    for answer in servers[index].answer(datagram, socket, now) {
      let source = servers[index].endpoints[answer.socket]
      guard !isLost(source, answer.transmit.destination),
        let inside = gateway.inbound(from: source, to: answer.transmit.destination),
        let socket = sockets.firstIndex(of: inside)
      else { continue }
      for _ in 0..<copies {
        arrivals.append(
          (
            now.advanced(by: servers[index].delay / 2),
            .atHost(socket: socket, Datagram(from: source, payload: answer.transmit.payload))
          ))
      }
    }
  }
}
