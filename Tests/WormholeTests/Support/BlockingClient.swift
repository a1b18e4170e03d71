import Glibc
import NIOPosix

/// A TCP client on loopback that asks the kernel itself, and so hears what NIO may not tell: a reset that arrives together with something else ends one of its
/// channels as if the other side had ended it.
enum BlockingClient {
  enum End: Equatable {
    case ended(after: [UInt8])
    case reset
    case failed(errno: Int32)
  }

  /// Sends bytes, and reads until the connection ends in some way, 10 s at most.
  static func send(_ bytes: [UInt8], to port: Int) async throws -> End {
    try await NIOThreadPool.singleton.runIfActive {
      let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      defer { close(descriptor) }
      var patience = timeval(tv_sec: 10, tv_usec: 0)
      setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = UInt16(port).bigEndian
      address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
      let isConnected = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
      }
      guard isConnected else { return .failed(errno: errno) }
      var received: [UInt8] = []
      guard Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
        return end(errno)
      }
      var buffer = [UInt8](repeating: 0, count: 4096)
      while true {
        let count = recv(descriptor, &buffer, buffer.count, 0)
        guard count > 0 else { return count == 0 ? .ended(after: received) : end(errno) }
        received += buffer[..<count]
      }
    }
  }

  private static func end(_ code: Int32) -> End {
    // A socket that has told of its reset once says EPIPE.
    code == ECONNRESET || code == EPIPE ? .reset : .failed(errno: code)
  }
}
