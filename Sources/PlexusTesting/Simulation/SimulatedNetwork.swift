import Datagrams

/// An internet in memory and in virtual time: hosts, NATs between them, and wires that lose, delay, duplicate and reorder.
///
/// Time starts at `Instant.zero` and jumps from event to event, so that minutes pass in microseconds. The same seed
/// and the same calls give the same events.
///
///     let network = SimulatedNetwork(seed: 1, wire: LinkSettings(loss: 0.1, delay: .milliseconds(20)))
///     let nat = network.addNAT(.portRestricted, address: address)
///     network.add(host, sockets: [local], behind: nat)
///     network.run(until: .zero.advanced(by: .seconds(60)))
public final class SimulatedNetwork {
  /// A NAT that was added to a network, and the realm of addresses behind it.
  public struct NAT: Hashable, Sendable {
    fileprivate let realm: Int
  }

  /// What became of a datagram, for a closure that follows them.
  public enum Event: Hashable, Sendable {
    /// It left a host.
    case sent
    /// It arrived at a host's socket.
    case delivered
    /// A wire or ``SimulatedNetwork/intercept`` lost it.
    case lost
    /// Its hop limit was used up.
    case expired
    /// A NAT let it not in, or had no port for it.
    case filtered
    /// No host has the address, or no socket the port.
    case unreachable
  }

  /// A datagram under way, with addresses as they are where it is.
  public struct Packet: Hashable, Sendable {
    /// Who sent it.
    public var source: Endpoint
    /// Where it goes.
    public var destination: Endpoint
    /// What it carries.
    public var payload: [UInt8]
    /// How many routers it may still pass, plus one.
    public var hopLimit: Int
  }

  private enum Station {
    case host(realm: Int)
    case insideOfNAT(realm: Int)
    case outsideOfNAT(realm: Int)
  }

  private struct Attachment {
    let station: Station
    /// Routers between the station and the middle of its realm.
    let hops: Int
  }

  private struct Gateway {
    var table: NATTable
    let outerRealm: Int
    let outerHops: Int
  }

  private struct Realm {
    var gateway: Gateway?
    var attachments: [IPAddress: Attachment] = [:]
    /// Which member has a socket.
    var sockets: [Endpoint: Int] = [:]
    let wire: LinkSettings
  }

  private struct Member {
    let host: any SimulatedHost
    let realm: Int
    let hops: Int
  }

  /// The hop limit of datagrams that ask for none, as Linux has it.
  public static let defaultHopLimit: UInt8 = 64

  /// The present.
  public private(set) var now = Instant.zero
  /// Loses a datagram on a public wire when it returns true: blackouts, one-way paths.
  public var intercept: ((Packet, Instant) -> Bool)?
  /// Follows the datagrams.
  public var trace: ((Event, Packet, Instant) -> Void)?

  private var realms: [Realm]
  private var members: [Member] = []
  private var events = EventQueue<(packet: Packet, station: Station)>()
  private var random: SeededGenerator

  /// A network of which the public wires are like `wire`.
  public init(seed: UInt64, wire: LinkSettings = .perfect) {
    random = SeededGenerator(seed: seed)
    realms = [Realm(wire: wire)]
  }

  /// Adds a NAT.
  ///
  /// - Parameters:
  ///   - address: its external address, public unless it is behind another NAT. A host behind it that has the same
  ///     address makes it a firewall: nothing is translated where it preserves ports.
  ///   - others: more external addresses; each new mapping takes the next one (RFC 4787 4.1: pooling "arbitrary").
  ///   - outer: the NAT that this one is behind.
  ///   - hops: routers between it and the middle of the realm that its external address is in.
  ///   - wire: what the wires behind it are like.
  public func addNAT(
    _ behaviour: NATBehaviour, address: IPAddress, and others: [IPAddress] = [], behind outer: NAT? = nil,
    hops: Int = 4, wire: LinkSettings = .perfect
  ) -> NAT {
    let table = NATTable(behaviour: behaviour, addresses: [address] + others, random: random.split())
    let outerRealm = outer?.realm ?? 0
    let gateway = Gateway(table: table, outerRealm: outerRealm, outerHops: hops)
    realms.append(Realm(gateway: gateway, wire: wire))
    let nat = NAT(realm: realms.count - 1)
    for address in table.addresses {
      realms[outerRealm].attachments[address] = Attachment(station: .outsideOfNAT(realm: nat.realm), hops: hops)
    }
    return nat
  }

  /// Adds a host with its sockets, of one address or several; programs on one host may be added one by one.
  ///
  /// - Parameters:
  ///   - nat: the NAT that it is behind, if any.
  ///   - hops: routers between it and the middle of its realm; behind a NAT that is between it and the NAT.
  public func add(_ host: any SimulatedHost, sockets: Set<Endpoint>, behind nat: NAT? = nil, hops: Int = 0) {
    let realm = nat?.realm ?? 0
    members.append(Member(host: host, realm: realm, hops: hops))
    for socket in sockets {
      realms[realm].sockets[socket] = members.count - 1
      realms[realm].attachments[socket.address] = Attachment(station: .host(realm: realm), hops: hops)
    }
    flush(members.count - 1)
  }

  /// The endpoint that `remote` sees when `local`, behind `nat`, sends to it. Opens the mappings on the way, as the
  /// datagram would that asks a STUN server at `remote`; nil if a NAT has no port.
  public func mappedEndpoint(of local: Endpoint, behind nat: NAT?, towards remote: Endpoint) -> Endpoint? {
    var (endpoint, realm) = (local, nat?.realm ?? 0)
    while let outerRealm = realms[realm].gateway?.outerRealm {
      guard
        let external = realms[realm].gateway?.table.externalForDatagramOut(from: endpoint, to: remote, now: now)
      else { return nil }
      endpoint = external
      realm = outerRealm
    }
    return endpoint
  }

  /// Sends a datagram from a socket behind `nat`, whether or not a host owns it.
  public func send(_ transmit: Transmit, from socket: Endpoint, behind nat: NAT? = nil) {
    let realm = nat?.realm ?? 0
    send(transmit, from: socket, in: realm, hops: realms[realm].attachments[socket.address]?.hops ?? 0)
  }

  /// Runs until nothing is left to happen, `finished` says so, or time is up.
  public func run(until end: Instant, orUntil finished: () -> Bool = { false }) {
    var callsInOneInstant = 0
    while !finished() {
      let timer = members.indices.compactMap { index in members[index].host.timeout.map { (time: $0, index: index) } }
        .min { $0.time < $1.time }
      if let time = events.nextTime, time <= timer?.time ?? .distantFuture, time <= end {
        now = time
        if let event = events.takeNext() { arrive(event.packet, at: event.station) }
      } else if let timer, timer.time <= end {
        callsInOneInstant = timer.time > now ? 0 : callsInOneInstant + 1
        precondition(callsInOneInstant < 100_000, "a host asks for the same timeout again and again")
        now = max(now, timer.time)
        members[timer.index].host.handleTimeout(now: now)
        flush(timer.index)
      } else {
        break
      }
    }
    if !finished() { now = max(now, end) }
  }

  private func flush(_ index: Int) {
    let member = members[index]
    while let (transmit, socket) = member.host.pollTransmit() {
      send(transmit, from: socket, in: member.realm, hops: member.hops)
    }
  }

  private func send(_ transmit: Transmit, from socket: Endpoint, in realm: Int, hops: Int) {
    let packet = Packet(
      source: socket, destination: transmit.destination, payload: transmit.payload,
      hopLimit: Int(transmit.hopLimit ?? Self.defaultHopLimit))
    trace?(.sent, packet, now)
    forward(packet, in: realm, hops: hops)
  }

  /// Carries a packet across a realm, `hops` being those from its sender to the middle.
  private func forward(_ packet: Packet, in realm: Int, hops: Int) {
    let target: Attachment
    if let attachment = realms[realm].attachments[packet.destination.address] {
      target = attachment
    } else if realms[realm].gateway != nil {
      // Outwards; the gateway sits in the middle of the realm behind it.
      target = Attachment(station: .insideOfNAT(realm: realm), hops: 0)
    } else {
      trace?(.unreachable, packet, now)
      return
    }
    var packet = packet
    packet.hopLimit -= hops + target.hops
    guard packet.hopLimit > 0 else {
      trace?(.expired, packet, now)
      return
    }
    let isIntercepted = realm == 0 && intercept?(packet, now) == true
    let arrivals = isIntercepted ? [] : realms[realm].wire.arrivals(sent: now, random: &random)
    if arrivals.isEmpty { trace?(.lost, packet, now) }
    for time in arrivals {
      if time == now {
        arrive(packet, at: target.station)
      } else {
        events.add((packet, target.station), at: time)
      }
    }
  }

  private func arrive(_ packet: Packet, at station: Station) {
    switch station {
    case .host(let realm):
      guard let index = realms[realm].sockets[packet.destination] else {
        trace?(.unreachable, packet, now)
        return
      }
      trace?(.delivered, packet, now)
      let datagram = Datagram(from: packet.source, payload: packet.payload)
      members[index].host.receive(datagram, at: packet.destination, now: now)
      flush(index)
    case .insideOfNAT(let realm): passOut(packet, from: realm)
    case .outsideOfNAT(let realm): passIn(packet, to: realm)
    }
  }

  private func passOut(_ packet: Packet, from realm: Int) {
    guard var translated = route(packet) else { return }
    guard
      let external = realms[realm].gateway?.table
        .externalForDatagramOut(from: packet.source, to: packet.destination, now: now)
    else {
      trace?(.filtered, packet, now)
      return
    }
    translated.source = external
    guard let gateway = realms[realm].gateway else { return }
    if !gateway.table.addresses.contains(packet.destination.address) {
      forward(translated, in: gateway.outerRealm, hops: gateway.outerHops)
    } else if gateway.table.behaviour.hairpins {
      passIn(translated, to: realm)
    } else {
      trace?(.filtered, packet, now)
    }
  }

  private func passIn(_ packet: Packet, to realm: Int) {
    guard var translated = route(packet) else { return }
    guard
      let local = realms[realm].gateway?.table
        .localForDatagramIn(from: packet.source, to: packet.destination, now: now)
    else {
      trace?(.filtered, packet, now)
      return
    }
    translated.destination = local
    forward(translated, in: realm, hops: 0)
  }

  /// Takes the hop that a NAT costs as the router that it is.
  private func route(_ packet: Packet) -> Packet? {
    guard packet.hopLimit > 1 else {
      trace?(.expired, packet, now)
      return nil
    }
    var packet = packet
    packet.hopLimit -= 1
    return packet
  }
}
