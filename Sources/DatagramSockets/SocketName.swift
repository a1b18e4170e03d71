import Datagrams
import LibC

/// An endpoint as the kernel wants it.
package struct SocketName: Sendable {
  private var storage = sockaddr_storage()
  private var length: socklen_t
  /// AF_INET or AF_INET6.
  package var family: CInt { CInt(storage.ss_family) }

  /// The name of an endpoint.
  package init(_ endpoint: Endpoint) {
    let bytes = endpoint.address.bytes
    switch endpoint.address {
    case .v4:
      var name = sockaddr_in()
      name.sin_family = sa_family_t(AF_INET)
      name.sin_port = endpoint.port.bigEndian
      withUnsafeMutableBytes(of: &name.sin_addr) { $0.copyBytes(from: bytes) }
      length = socklen_t(MemoryLayout<sockaddr_in>.size)
      withUnsafeMutableBytes(of: &storage) { room in withUnsafeBytes(of: name) { room.copyMemory(from: $0) } }
    case .v6:
      var name = sockaddr_in6()
      name.sin6_family = sa_family_t(AF_INET6)
      name.sin6_port = endpoint.port.bigEndian
      withUnsafeMutableBytes(of: &name.sin6_addr) { $0.copyBytes(from: bytes) }
      length = socklen_t(MemoryLayout<sockaddr_in6>.size)
      withUnsafeMutableBytes(of: &storage) { room in withUnsafeBytes(of: name) { room.copyMemory(from: $0) } }
    }
  }

  package func withSocketAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
    withUnsafePointer(to: storage) { storage in
      // sockaddr_storage is made to be looked at as any of its kind.
      storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
    }
  }
}
