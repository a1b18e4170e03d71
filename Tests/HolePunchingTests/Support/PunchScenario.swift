import Datagrams
import HolePunching
import PlexusTesting
import Testing

/// What is between a host and the public network.
enum Side: String, CaseIterable, CustomTestStringConvertible {
  case open = "open"
  case fullCone = "full cone"
  case addressRestricted = "address-restricted"
  case portRestricted = "port-restricted"
  case symmetric = "symmetric"

  static let punchable: [Side] = [.open, .fullCone, .addressRestricted, .portRestricted]

  var testDescription: String { rawValue }

  var behaviour: NATBehaviour? {
    switch self {
    case .open: nil
    case .fullCone: .fullCone
    case .addressRestricted: .addressRestricted
    case .portRestricted: .portRestricted
    case .symmetric: .symmetric
    }
  }
}

/// Who shakes hands.
enum Pairing: String, CaseIterable {
  case ours = "ours x ours"
  case referenceAcceptor = "reference acceptor x our inviter"
  case referenceInviter = "our acceptor x reference inviter"
  case reference = "reference x reference"

  /// Those in which we have a part.
  static let withOurs: [Pairing] = [.ours, .referenceAcceptor, .referenceInviter]

  func isOurs(_ role: PunchRole) -> Bool {
    switch self {
    case .ours: true
    case .referenceAcceptor: role == .inviting
    case .referenceInviter: role == .accepting
    case .reference: false
    }
  }
}

/// Two hosts that know each other's endpoint as STUN shows it, and punch.
struct PunchScenario {
  /// The NATs of a side, innermost first, each with the hops between it and the middle of the realm outside.
  typealias NATs = [(behaviour: NATBehaviour, hops: Int)]

  var acceptorNATs: NATs = []
  var inviterNATs: NATs = []
  var pairing = Pairing.ours
  var wire = LinkSettings(delay: .milliseconds(20))
  /// When the acceptor starts; usually first.
  var acceptorStart: Instant = .zero
  /// When the acceptor's answer reaches the inviter.
  var inviterStart: Instant = .zero.advanced(by: .milliseconds(300))
  var configuration = PunchConfiguration()
  var intercept: ((SimulatedNetwork.Packet, Instant) -> Bool)?

  /// How a side ended, whichever program it runs.
  struct End {
    var result: PunchResult?
    var failure: PunchFailure?
    var succeeded: Bool
    var at: Instant
  }

  struct Run {
    var acceptor: End
    var inviter: End
    /// Datagrams that arrived at each.
    var deliveredToAcceptor = 0
    var deliveredToInviter = 0

    var bothSucceeded: Bool { acceptor.succeeded && inviter.succeeded }
    /// One side went on, the other did not: what two generals fear.
    var isSplit: Bool { acceptor.succeeded != inviter.succeeded }
    var isSound: Bool { bothSucceeded && deliveredToAcceptor > 0 && deliveredToInviter > 0 }
  }

  static let stunServer = Endpoint(address: .v4(0xCB00_7101), port: 3478)
  static let acceptorPublic = IPAddress.v4(0xC633_6401)
  static let inviterPublic = IPAddress.v4(0xC633_6402)

  func run(seed: UInt64) -> Run? {
    var random = SeededGenerator(seed: seed)
    let network = SimulatedNetwork(seed: random.next(), wire: wire)
    network.intercept = intercept
    let (acceptor, acceptorNAT) = Self.place(
      acceptorNATs, in: network, address: Self.acceptorPublic, inner: .v4(0x0A01_0002), port: 5000)
    let (inviter, inviterNAT) = Self.place(
      inviterNATs, in: network, address: Self.inviterPublic, inner: .v4(0x0A02_0002), port: 6000)
    guard let acceptorSeen = network.mappedEndpoint(of: acceptor, behind: acceptorNAT, towards: Self.stunServer),
      let inviterSeen = network.mappedEndpoint(of: inviter, behind: inviterNAT, towards: Self.stunServer)
    else { return nil }
    var delivered: [Endpoint: Int] = [:]
    network.trace = { event, packet, _ in
      if event == .delivered { delivered[packet.destination, default: 0] += 1 }
    }

    let secret = random.next()
    let acceptorEnd = install(
      .accepting, on: acceptor, behind: acceptorNAT, in: network, at: acceptorStart, secret: secret, peer: inviterSeen,
      generator: random.split())
    let inviterEnd = install(
      .inviting, on: inviter, behind: inviterNAT, in: network, at: inviterStart, secret: secret, peer: acceptorSeen,
      generator: random.split())
    // Twice the time that anybody takes to give up.
    network.run(until: .zero.advanced(by: .seconds(200))) { acceptorEnd() != nil && inviterEnd() != nil }
    guard let acceptorEnd = acceptorEnd(), let inviterEnd = inviterEnd() else { return nil }
    return Run(
      acceptor: acceptorEnd, inviter: inviterEnd, deliveredToAcceptor: delivered[acceptor] ?? 0,
      deliveredToInviter: delivered[inviter] ?? 0)
  }

  /// Puts a side's program on its host; the closure tells how it ended.
  private func install(
    _ role: PunchRole, on socket: Endpoint, behind nat: SimulatedNetwork.NAT?, in network: SimulatedNetwork,
    at start: Instant, secret: UInt64, peer: Endpoint, generator: SeededGenerator
  ) -> () -> End? {
    if pairing.isOurs(role) {
      let host = CoreHost(socket: socket, start: start) { [configuration] now in
        Puncher(
          role: role, secret: secret, peer: peer, configuration: configuration, now: now, generator: generator)
      }
      network.add(host, sockets: [socket], behind: nat, hops: nat == nil ? 4 : 0)
      return { Self.end(of: host) }
    } else {
      let host = CoreHost(socket: socket, start: start) { now in
        ReferencePeer(role: role, secret: secret, peer: peer, now: now, generator: generator)
      }
      network.add(host, sockets: [socket], behind: nat, hops: nat == nil ? 4 : 0)
      return { Self.end(of: host) }
    }
  }

  private static func place(
    _ nats: NATs, in network: SimulatedNetwork, address: IPAddress, inner: IPAddress, port: UInt16
  ) -> (socket: Endpoint, nat: SimulatedNetwork.NAT?) {
    var nat: SimulatedNetwork.NAT?
    for (index, layer) in nats.reversed().enumerated() {
      let external = index == 0 ? address : IPAddress.v4(0x6440_0000 + UInt32(index))
      nat = network.addNAT(layer.behaviour, address: external, behind: nat, hops: layer.hops)
    }
    return (Endpoint(address: nats.isEmpty ? address : inner, port: port), nat)
  }

  private static func end(of host: CoreHost<Puncher>) -> End? {
    guard let outcome = host.outcome, let time = host.endedAt else { return nil }
    switch outcome {
    case .success(let result): return End(result: result, succeeded: true, at: time)
    case .failure(let failure): return End(failure: failure, succeeded: false, at: time)
    }
  }

  private static func end(of host: CoreHost<ReferencePeer>) -> End? {
    guard let outcome = host.outcome, let time = host.endedAt else { return nil }
    return End(succeeded: outcome, at: time)
  }
}
