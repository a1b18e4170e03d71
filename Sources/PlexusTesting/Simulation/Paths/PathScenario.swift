import Datagrams
import DequeModule
import HolePunching
import STUN

/// Two hosts that know each other's offers and look for a path, as `plexus` does once its messages are exchanged.
///
/// The acceptor starts at once, the inviter when the answer has reached it.
public struct PathScenario: Sendable {
  /// How the two sides hang together.
  public enum Arrangement: String, Hashable, Sendable, CaseIterable {
    /// Each has its own way to the public network.
    case apart
    /// Both are behind the same NATs, those of the acceptor.
    case sameLAN
    /// Each has its own inner NAT, and the outer one, that of the acceptor, is the same.
    case sameProvider
    /// No IPv4 anywhere; the NATs are firewalls.
    case ipv6
  }

  /// The side that was invited.
  public var acceptor: PathSide
  /// The side that chooses the path.
  public var inviter: PathSide
  /// How they hang together.
  public var arrangement = Arrangement.apart
  /// What the public wires are like.
  public var wire = LinkSettings(delay: .milliseconds(20))
  /// Routers between each NAT, or host without one, and the middle of the network outside it.
  public var hops = 4
  /// From the acceptor's start to the inviter's.
  public var answerDelay: Duration = .milliseconds(500)
  /// How both look.
  public var configuration = PathConfiguration()

  /// A scenario of two sides.
  public init(acceptor: PathSide, inviter: PathSide) { (self.acceptor, self.inviter) = (acceptor, inviter) }

  /// What came of it.
  public struct Run: Sendable {
    /// The acceptor's end.
    public var acceptor: PathFinder.Outcome?
    /// The inviter's end.
    public var inviter: PathFinder.Outcome?
    /// From the inviter's start to the later end.
    public var duration: Duration
    /// Whether a datagram each way, sent on the path that its sender has, came in on the path that its receiver has.
    public var isUsable: Bool
    /// The most datagrams that any side sent towards one address within a second.
    public var peakPerSecond: Int
    /// All datagrams that both sides sent.
    public var datagrams: Int

    /// Whether both sides have the same path.
    public var succeeded: Bool {
      if case .success? = acceptor, case .success? = inviter { isUsable } else { false }
    }
  }

  /// Plays it.
  public func run(seed: UInt64) -> Run {
    var random = SeededGenerator(seed: seed)
    let network = SimulatedNetwork(seed: random.next(), wire: wire)
    let (accepting, inviting) = place(in: network, random: &random)
    let inviterStart = Instant.zero.advanced(by: answerDelay)
    let hosts = [
      host(.accepting, accepting, peer: inviting, start: .zero, random: random.split()),
      host(.inviting, inviting, peer: accepting, start: inviterStart, random: random.split()),
    ]
    let watch = TrafficWatch()
    network.trace = { event, packet, now in if event == .sent { watch.note(packet, now) } }
    for (host, side) in zip(hosts, [accepting, inviting]) {
      network.add(host, sockets: side.sockets, behind: side.nat, hops: side.nat == nil ? hops : 0)
    }
    network.run(until: inviterStart.advanced(by: configuration.timeout + .seconds(10))) {
      hosts.allSatisfy { $0.outcome != nil }
    }
    let end = hosts.map { $0.endedAt ?? network.now }.max() ?? network.now
    return Run(
      acceptor: hosts[0].outcome, inviter: hosts[1].outcome, duration: inviterStart.duration(to: end),
      isUsable: isUsable(hosts, [accepting.nat, inviting.nat], in: network), peakPerSecond: watch.peak,
      datagrams: watch.total)
  }

  private func place(
    in network: SimulatedNetwork, random: inout SeededGenerator
  ) -> (acceptor: PathSide.Placed, inviter: PathSide.Placed) {
    let publics: [IPAddress] = [.v4(0xCB00_710A), .v4(0xCB00_710B)]
    let privates: [IPAddress] = [.v4(0x0A00_0002), .v4(0x0A00_0103)]
    switch arrangement {
    case .apart:
      let sides = zip([acceptor, inviter], zip(publics, privates)).map { side, addresses in
        let (nat, address) = side.surroundings.build(
          in: network, publicAddress: addresses.0, privateAddress: addresses.1, hops: hops)
        return side.place(behind: nat, address: address, in: network, random: &random)
      }
      return (sides[0], sides[1])
    case .sameLAN:
      let (nat, _) = acceptor.surroundings.build(
        in: network, publicAddress: publics[0], privateAddress: privates[0], hops: hops)
      let sides = zip([acceptor, inviter], privates).map {
        $0.place(behind: nat, address: $1, in: network, random: &random)
      }
      return (sides[0], sides[1])
    case .sameProvider:
      let outer = network.addNAT(acceptor.surroundings.nats.last ?? .portRestricted, address: publics[0], hops: hops)
      let sides = zip([acceptor, inviter], zip(privates, [UInt32(2), 3])).map { side, addresses in
        let inner = network.addNAT(
          side.surroundings.nats.first ?? .portRestricted, address: .v4(0x6440_0000 + addresses.1), behind: outer)
        return side.place(behind: inner, address: addresses.0, in: network, random: &random)
      }
      return (sides[0], sides[1])
    case .ipv6:
      let sides = zip([acceptor, inviter], [UInt64(0xA), 0xB]).map { side, low in
        let address = IPAddress.v6(high: 0x2001_0DB8_0000_0000 + low, low: low)
        let nat = side.surroundings.nats.first.map { network.addNAT($0, address: address, hops: hops) }
        return side.place(behind: nat, address: address, in: network, random: &random)
      }
      return (sides[0], sides[1])
    }
  }

  private func host(
    _ role: PunchRole, _ side: PathSide.Placed, peer: PathSide.Placed, start: Instant, random: SeededGenerator
  ) -> PathHost {
    PathHost(
      role: role, own: side.offer, peer: peer.offer, bases: side.bases, spare: side.spare,
      configuration: configuration, start: start, random: random)
  }

  /// Sends some datagrams both ways, as a payload would.
  private func isUsable(_ hosts: [PathHost], _ nats: [SimulatedNetwork.NAT?], in network: SimulatedNetwork) -> Bool {
    let ends = hosts.compactMap { host -> (socket: Endpoint, peer: Endpoint)? in
      guard case .success(let path)? = host.outcome else { return nil }
      return (host.sockets[path.socket], path.peer)
    }
    guard ends.count == 2 else { return false }
    return zip(ends.indices, ends.indices.reversed()).allSatisfy { from, to in
      let marker = [UInt8(from), 0xFF]
      var hasArrived = false
      network.trace = { event, packet, _ in
        if event == .delivered, packet.payload == marker, packet.destination == ends[to].socket,
          packet.source == ends[to].peer
        {
          hasArrived = true
        }
      }
      for _ in 0..<20 {
        network.send(Transmit(to: ends[from].peer, payload: marker), from: ends[from].socket, behind: nats[from])
      }
      network.run(until: network.now.advanced(by: .seconds(2)))
      return hasArrived
    }
  }
}

/// Counts what each host sends towards each address within any second.
private final class TrafficWatch {
  private struct Way: Hashable {
    let source: IPAddress
    let destination: IPAddress
  }

  private var recent: [Way: Deque<Instant>] = [:]
  private(set) var peak = 0
  private(set) var total = 0

  func note(_ packet: SimulatedNetwork.Packet, _ now: Instant) {
    total += 1
    let way = Way(source: packet.source.address, destination: packet.destination.address)
    var times = recent[way] ?? []
    while let first = times.first, first.duration(to: now) >= .seconds(1) { times.removeFirst() }
    times.append(now)
    recent[way] = times
    peak = max(peak, times.count)
  }
}
