import Datagrams

@testable import STUN

/// A NAT of RFC 4787 in memory, just enough for the explorer's tests.
struct VirtualNAT {
  var mapping: MappingBehavior
  var filtering: FilteringBehavior
  var hairpins = false
  /// Whether any socket's datagrams open the filter for all, as firewalls with one list of addresses do.
  var filtersByHost = false
  var preservesPort = true
  var publicAddresses = [IPAddress.v4(0xCB00_7101)]

  private struct Key: Hashable {
    let local: Endpoint
    let remote: Endpoint?
  }

  private var mappings: [Key: Endpoint] = [:]
  private var contacts: [Endpoint: Set<Endpoint>] = [:]

  init(_ mapping: MappingBehavior, _ filtering: FilteringBehavior) {
    (self.mapping, self.filtering) = (mapping, filtering)
  }

  mutating func outbound(from local: Endpoint, to remote: Endpoint) -> Endpoint {
    let key =
      switch mapping {
      case .endpointIndependent, .unknown: Key(local: local, remote: nil)
      case .addressDependent: Key(local: local, remote: Endpoint(address: remote.address, port: 0))
      case .addressAndPortDependent, .endpointDependent: Key(local: local, remote: remote)
      }
    let address = publicAddresses[mappings.count % publicAddresses.count]
    let preserved = Endpoint(address: address, port: local.port)
    let isTaken = mappings.values.contains(preserved)
    let public_ =
      mappings[key]
      ?? (preservesPort && !isTaken ? preserved : Endpoint(address: address, port: 40_000 + UInt16(mappings.count)))
    mappings[key] = public_
    contacts[public_, default: []].insert(remote)
    return public_
  }

  func inbound(from remote: Endpoint, to destination: Endpoint) -> Endpoint? {
    guard let local = mappings.first(where: { $0.value == destination })?.key.local,
      let own = contacts[destination]
    else { return nil }
    let known = filtersByHost ? contacts.values.reduce(own) { $0.union($1) } : own
    let passes =
      switch filtering {
      case .endpointIndependent, .unknown: true
      case .addressDependent: known.contains { $0.address == remote.address }
      case .addressAndPortDependent: known.contains(remote)
      }
    return passes ? local : nil
  }
}
