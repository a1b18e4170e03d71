import Datagrams
import LibC

extension LocalRoute {
  /// Whether the routing table, with its rules for this source, has a way from an IPv4 address through its interface to a remote endpoint. Asks by
  /// connecting a throw-away UDP socket, which sends nothing. False where the system does not tell: before Linux 5.7 only root may bind a
  /// socket to an interface.
  package static func leads(from local: IPAddress, through interface: String, towards remote: Endpoint) -> Bool {
    guard case .v4(let own) = local, case .v4(let other) = remote.address else { return false }
    let descriptor = socket(AF_INET, datagramSocketType | closeOnExecution, 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    guard setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, interface, socklen_t(interface.utf8.count)) == 0,
      call(bind, descriptor, address(own, port: 0)), call(connect, descriptor, address(other, port: remote.port))
    else { return false }
    return true
  }

  private static func address(_ bits: UInt32, port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = bits.bigEndian
    return address
  }

  private static func call(
    _ function: (Int32, UnsafePointer<sockaddr>?, socklen_t) -> Int32, _ descriptor: Int32, _ address: sockaddr_in
  ) -> Bool {
    withUnsafePointer(to: address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        function(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
  }
}
