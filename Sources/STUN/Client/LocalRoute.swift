import Datagrams
import LibC

/// The address from which this host's datagrams to some other host leave.
package enum LocalRoute {
  /// Asks the routing table by connecting a throw-away UDP socket, which sends nothing; nil if no route is known.
  package static func localAddress(towards remote: Endpoint) -> IPAddress? {
    let family = remote.address.family == .v4 ? AF_INET : AF_INET6
    let descriptor = socket(family, datagramSocketType | closeOnExecution, 0)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    switch remote.address {
    case .v4(let bits):
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = remote.port.bigEndian
      address.sin_addr.s_addr = bits.bigEndian
      guard let local = connected(descriptor, to: address) else { return nil }
      return .v4(UInt32(bigEndian: local.sin_addr.s_addr))
    case .v6:
      var address = sockaddr_in6()
      address.sin6_family = sa_family_t(AF_INET6)
      address.sin6_port = remote.port.bigEndian
      withUnsafeMutableBytes(of: &address.sin6_addr) { $0.copyBytes(from: remote.address.bytes) }
      guard let local = connected(descriptor, to: address) else { return nil }
      return withUnsafeBytes(of: local.sin6_addr) { IPAddress(bytes: $0) }
    }
  }

  private static func connected<Address>(_ descriptor: Int32, to remote: Address) -> Address? {
    var address = remote
    var length = socklen_t(MemoryLayout<Address>.size)
    let hasFailed = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        connect(descriptor, generic, length) != 0 || getsockname(descriptor, generic, &length) != 0
      }
    }
    return hasFailed ? nil : address
  }
}
