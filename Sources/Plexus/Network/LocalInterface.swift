import LibC

/// A network interface that is up, and where it has addresses that lead further than to itself and its link.
struct LocalInterface: Hashable, Sendable {
  let name: String
  var addresses: [IPAddress]
  /// The largest packet in bytes; nil where the system does not tell.
  let mtu: Int?

  /// All of them, in the order of the system.
  static func all() -> [LocalInterface] {
    var found: [LocalInterface] = []
    for (address, name) in LocalAddresses.interfaceAddresses()
    where address.scope == .global || address.scope == .private {
      if let index = found.firstIndex(where: { $0.name == name }) {
        found[index].addresses.append(address)
      } else {
        found.append(LocalInterface(name: name, addresses: [address], mtu: mtu(of: name)))
      }
    }
    return found
  }
}
