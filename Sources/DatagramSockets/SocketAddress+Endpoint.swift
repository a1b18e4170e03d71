import Datagrams
import NIOCore

extension Endpoint {
  /// Reads a NIO address, IPv4-mapped ones as IPv4; nil for a Unix domain socket.
  package init?(_ address: SocketAddress) {
    switch address {
    case .v4(let inner):
      let bits = UInt32(bigEndian: inner.address.sin_addr.s_addr)
      self.init(address: .v4(bits), port: UInt16(bigEndian: inner.address.sin_port))
    case .v6(let inner):
      guard let ip = withUnsafeBytes(of: inner.address.sin6_addr, { IPAddress(bytes: $0) }) else { return nil }
      self.init(address: ip.unmapped, port: UInt16(bigEndian: inner.address.sin6_port))
    case .unixDomainSocket:
      return nil
    }
  }

  func socketAddress() throws -> SocketAddress {
    try SocketAddress(packedIPAddress: ByteBuffer(bytes: address.bytes), port: Int(port))
  }
}
