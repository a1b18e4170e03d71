import Datagrams

/// The table of one NAT: which external endpoint stands for which internal one, and who may use it from outside.
struct NATTable {
  private struct MappingKey: Hashable {
    let local: Endpoint
    let remote: Endpoint
  }

  private struct Mapping {
    let key: MappingKey
    var usedAt: Instant
  }

  /// Whom somebody inside, or one external endpoint, has sent to.
  private struct Contact: Hashable {
    /// The external endpoint; or the inside address, port 0, where the whole host opens the filter.
    let opener: Endpoint
    /// The remote endpoint, or address, or anybody.
    let remote: Endpoint
  }

  private struct Claim: Hashable {
    let external: Endpoint
    let remote: Endpoint
  }

  let behaviour: NATBehaviour
  /// The external addresses; new mappings take one after another.
  let addresses: [IPAddress]
  private var externals: [MappingKey: Endpoint] = [:]
  private var mappings: [Endpoint: Mapping] = [:]
  /// When each was last sent to.
  private var contacts: [Contact: Instant] = [:]
  private var claims: [Claim: Instant] = [:]
  private var nextSequentialPort: UInt16 = 20_000
  private var nextAddress = 0
  private var random: SeededGenerator

  init(behaviour: NATBehaviour, addresses: [IPAddress], random: SeededGenerator) {
    self.behaviour = behaviour
    self.addresses = addresses
    self.random = random
  }

  /// The external endpoint for a datagram from `local` to `remote`; opens it if need be. Nil when no port is free.
  mutating func externalForDatagramOut(from local: Endpoint, to remote: Endpoint, now: Instant) -> Endpoint? {
    let usual = MappingKey(local: local, remote: behaviour.mapping.key(of: remote))
    // Where the usual endpoint is claimed towards this remote, a mapping for it alone.
    let key =
      external(for: usual, now: now).map { isClaimed($0, towards: remote, now: now) } == true
      ? MappingKey(local: local, remote: remote) : usual
    if let external = external(for: key, now: now), !isClaimed(external, towards: remote, now: now) {
      return touch(external, local: local, remote: remote, now: now)
    }
    guard let external = freeEndpoint(preferring: local.port, towards: remote, now: now) else { return nil }
    externals[key] = external
    if mappings.updateValue(Mapping(key: key, usedAt: now), forKey: external) != nil {
      // What an earlier mapping to this endpoint let in is none of this one's.
      contacts = contacts.filter { $0.key.opener != external }
    }
    return touch(external, local: local, remote: remote, now: now)
  }

  /// The internal endpoint that a datagram from `remote` to an external one goes to, or nil if it is dropped.
  mutating func localForDatagramIn(from remote: Endpoint, to external: Endpoint, now: Instant) -> Endpoint? {
    if let mapping = mappings[external], isAlive(mapping.usedAt, now: now),
      let contact = contacts[contact(of: external, local: mapping.key.local, remote: remote)],
      isAlive(contact, now: now)
    {
      return mapping.key.local
    }
    switch behaviour.unexpectedInbound {
    case .ignored: break
    case .dropsMapping:
      // The endpoint stays taken, so that the next mapping gets another.
      forgetKey(of: external)
      contacts = contacts.filter { $0.key.opener != external }
    case .claimsPort: claims[Claim(external: external, remote: remote)] = now
    }
    return nil
  }

  private func contact(of external: Endpoint, local: Endpoint, remote: Endpoint) -> Contact {
    let opener =
      switch behaviour.filterScope {
      case .mapping: external
      case .host: Endpoint(address: local.address, port: 0)
      }
    return Contact(opener: opener, remote: behaviour.filtering.key(of: remote))
  }

  private mutating func touch(_ external: Endpoint, local: Endpoint, remote: Endpoint, now: Instant) -> Endpoint {
    mappings[external]?.usedAt = now
    contacts[contact(of: external, local: local, remote: remote)] = now
    return external
  }

  private mutating func external(for key: MappingKey, now: Instant) -> Endpoint? {
    guard let external = externals[key], let mapping = mappings[external] else { return nil }
    guard isAlive(mapping.usedAt, now: now) else {
      externals[key] = nil
      mappings[external] = nil
      return nil
    }
    return external
  }

  private mutating func freeEndpoint(
    preferring preferred: UInt16, towards remote: Endpoint, now: Instant
  ) -> Endpoint? {
    let address = addresses[nextAddress % addresses.count]
    for attempt in 0..<UInt16(4096) {
      let port: UInt16
      switch behaviour.allocation {
      case .preserving: port = preferred &+ attempt
      case .sequential:
        port = nextSequentialPort
        nextSequentialPort = nextSequentialPort == .max ? 20_000 : nextSequentialPort + 1
      case .random: port = UInt16.random(in: 1024...UInt16.max, using: &random)
      }
      let external = Endpoint(address: address, port: port)
      if port != 0, mappings[external].map({ !isAlive($0.usedAt, now: now) }) ?? true,
        !isClaimed(external, towards: remote, now: now)
      {
        forgetKey(of: external)
        nextAddress += 1
        return external
      }
    }
    return nil
  }

  /// Lets the next datagram out get another endpoint, unless it has one already.
  private mutating func forgetKey(of external: Endpoint) {
    guard let key = mappings[external]?.key, externals[key] == external else { return }
    externals[key] = nil
  }

  private func isClaimed(_ external: Endpoint, towards remote: Endpoint, now: Instant) -> Bool {
    guard let claimed = claims[Claim(external: external, remote: remote)] else { return false }
    return isAlive(claimed, now: now)
  }

  private func isAlive(_ usedAt: Instant, now: Instant) -> Bool {
    usedAt.duration(to: now) < behaviour.mappingTimeout
  }
}
