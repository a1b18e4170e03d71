import CNetworkChanges
import Datagrams
import LibC
import STUN

/// The addresses of this machine that a server can be reached at.
enum LocalAddresses {
  /// Those to serve on if nobody names any: of each family all global ones, or else the private one of the default route.
  ///
  /// Not the unspecified address: a machine with several would answer from another than was asked, and such answers are
  /// dropped by NATs and clients alike.
  static func serving() -> [IPAddress] { choose(from: all(), route: source) }

  static func choose(from addresses: [IPAddress], route: (IPAddress.Family) -> IPAddress?) -> [IPAddress] {
    IPAddress.Family.allCases.flatMap { family in
      let own = addresses.filter { $0.family == family }
      let global = own.filter { $0.scope == .global }
      if !global.isEmpty { return global }
      let local = own.filter { $0.scope == .private }
      return Array((local.filter { $0 == route(family) } + local).prefix(1))
    }
  }

  /// Where a peer may reach this host: at most four of a family, which no host with fewer than four networks exceeds.
  static func reachable(_ family: IPAddress.Family) -> [IPAddress] {
    let own = all().filter { $0.family == family && ($0.scope == .global || $0.scope == .private) }
    let preferred = source(family)
    return Array((own.filter { $0 == preferred } + own.filter { $0 != preferred }).prefix(4))
  }

  /// IPv4 addresses of this host, other than that of the preferred route, whose datagrams to the internet leave by their own interface: a second
  /// uplink, such as Wi-Fi beside Ethernet, where rules for the source are set (`ip rule from`). At most two; virtual networks within this
  /// machine are none of them.
  static func furtherUplinks() -> [IPAddress] {
    guard let preferred = source(.v4), case .v4(let beyond)? = beyond(.v4)?.address else { return [] }
    let own = interfaceAddresses().filter { entry in
      guard case .v4(let bits) = entry.address, entry.address != preferred,
        entry.address.scope == .global || entry.address.scope == .private
      else { return false }
      let interface = plexus_route_interface(bits.bigEndian, beyond.bigEndian)
      return interface != 0 && interface == if_nametoindex(entry.interface)
    }
    return Array(own.map(\.address).prefix(2))
  }

  /// The source of datagrams to the internet at large; nil without a route. Nothing is sent.
  static func source(_ family: IPAddress.Family) -> IPAddress? {
    beyond(family).flatMap { LocalRoute.localAddress(towards: $0) }
  }

  /// A root name server, which stands for the internet at large.
  private static func beyond(_ family: IPAddress.Family) -> Endpoint? {
    IPAddress(family == .v4 ? "198.41.0.4" : "2001:503:ba3e::2:30").map { Endpoint(address: $0, port: 53) }
  }

  private static func all() -> [IPAddress] { interfaceAddresses().map(\.address) }

  /// The steady addresses of interfaces that are up, each once.
  static func interfaceAddresses() -> [(address: IPAddress, interface: String)] {
    var list: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&list) == 0 else { return [] }
    defer { freeifaddrs(list) }
    let unsteady = unsteadyAddresses()
    var found: [(address: IPAddress, interface: String)] = []
    var next = list
    while let entry = next?.pointee {
      next = entry.ifa_next
      guard entry.ifa_flags & UInt32(IFF_UP) != 0, let raw = UnsafeRawPointer(entry.ifa_addr),
        let address = address(at: raw), !unsteady.contains(address), !found.contains(where: { $0.address == address })
      else { continue }
      found.append((address, entry.ifa_name.map { String(cString: $0) } ?? ""))
    }
    return found
  }

  private static func address(at raw: UnsafeRawPointer) -> IPAddress? {
    switch Int32(raw.loadUnaligned(as: sockaddr.self).sa_family) {
    case AF_INET: .v4(UInt32(bigEndian: raw.loadUnaligned(as: sockaddr_in.self).sin_addr.s_addr))
    case AF_INET6:
      withUnsafeBytes(of: raw.loadUnaligned(as: sockaddr_in6.self).sin6_addr) { IPAddress(bytes: $0) }
    default: nil
    }
  }
}
