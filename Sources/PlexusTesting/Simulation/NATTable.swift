import Datagrams

/// The table of one NAT: which external port stands for which internal endpoint, and who may use it from outside.
struct NATTable {
  private struct MappingKey: Hashable {
    let local: Endpoint
    let remote: Endpoint
  }

  private struct Mapping {
    let key: MappingKey
    /// When each remote endpoint (or address, or anybody) was last sent to.
    var contacts: [Endpoint: Instant]
    var usedAt: Instant
  }

  private struct Claim: Hashable {
    let port: UInt16
    let remote: Endpoint
  }

  let behaviour: NATBehaviour
  private var ports: [MappingKey: UInt16] = [:]
  private var mappings: [UInt16: Mapping] = [:]
  private var claims: [Claim: Instant] = [:]
  private var nextSequentialPort: UInt16 = 20_000
  private var random: SeededGenerator

  init(behaviour: NATBehaviour, random: SeededGenerator) {
    self.behaviour = behaviour
    self.random = random
  }

  /// The external port for a datagram from `local` to `remote`; opens it if need be. Nil when no port is free.
  mutating func portForDatagramOut(from local: Endpoint, to remote: Endpoint, now: Instant) -> UInt16? {
    let usual = MappingKey(local: local, remote: behaviour.mapping.key(of: remote))
    if let port = port(for: usual, now: now), !isClaimed(port, towards: remote, now: now) {
      return touch(port, remote: remote, now: now)
    }
    // Where the usual port is claimed towards this remote, a mapping for it alone.
    let key = ports[usual] == nil ? usual : MappingKey(local: local, remote: remote)
    if let port = port(for: key, now: now), !isClaimed(port, towards: remote, now: now) {
      return touch(port, remote: remote, now: now)
    }
    guard let port = freePort(preferring: local.port, towards: remote, now: now) else { return nil }
    ports[key] = port
    mappings[port] = Mapping(key: key, contacts: [:], usedAt: now)
    return touch(port, remote: remote, now: now)
  }

  /// The internal endpoint that a datagram from `remote` to an external port goes to, or nil if it is dropped.
  mutating func localForDatagramIn(from remote: Endpoint, to port: UInt16, now: Instant) -> Endpoint? {
    if let mapping = mappings[port], isAlive(mapping.usedAt, now: now) {
      if let contact = mapping.contacts[behaviour.filtering.key(of: remote)], isAlive(contact, now: now) {
        return mapping.key.local
      }
    }
    switch behaviour.unexpectedInbound {
    case .ignored: break
    case .dropsMapping:
      // The port stays taken, so that the next mapping gets another.
      forgetKey(of: port)
      mappings[port]?.contacts = [:]
    case .claimsPort: claims[Claim(port: port, remote: remote)] = now
    }
    return nil
  }

  private mutating func touch(_ port: UInt16, remote: Endpoint, now: Instant) -> UInt16 {
    mappings[port]?.usedAt = now
    mappings[port]?.contacts[behaviour.filtering.key(of: remote)] = now
    return port
  }

  private mutating func port(for key: MappingKey, now: Instant) -> UInt16? {
    guard let port = ports[key], let mapping = mappings[port] else { return nil }
    guard isAlive(mapping.usedAt, now: now) else {
      ports[key] = nil
      mappings[port] = nil
      return nil
    }
    return port
  }

  private mutating func freePort(preferring preferred: UInt16, towards remote: Endpoint, now: Instant) -> UInt16? {
    for attempt in 0..<UInt16(4096) {
      let port: UInt16
      switch behaviour.allocation {
      case .preserving: port = preferred &+ attempt
      case .sequential:
        port = nextSequentialPort
        nextSequentialPort = nextSequentialPort == .max ? 20_000 : nextSequentialPort + 1
      case .random: port = UInt16.random(in: 1024...UInt16.max, using: &random)
      }
      if port != 0, mappings[port].map({ !isAlive($0.usedAt, now: now) }) ?? true,
        !isClaimed(port, towards: remote, now: now)
      {
        forgetKey(of: port)
        return port
      }
    }
    return nil
  }

  /// Lets the next datagram out get another port, unless it has one already.
  private mutating func forgetKey(of port: UInt16) {
    guard let key = mappings[port]?.key, ports[key] == port else { return }
    ports[key] = nil
  }

  private func isClaimed(_ port: UInt16, towards remote: Endpoint, now: Instant) -> Bool {
    guard let claimed = claims[Claim(port: port, remote: remote)] else { return false }
    return isAlive(claimed, now: now)
  }

  private func isAlive(_ usedAt: Instant, now: Instant) -> Bool {
    usedAt.duration(to: now) < behaviour.mappingTimeout
  }
}
