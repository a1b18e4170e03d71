import LibC
import Synchronization

/// The service manager that started this process, which wants to know how it is: systemd, or whatever else speaks sd_notify(3).
///
/// Messages are single datagrams to a Unix socket; nothing waits for an answer, and nothing fails when nobody listens.
public final class ServiceManager: Sendable {
  private let address: [UInt8]
  private let isReady = Atomic(false)

  /// The one of environment variable `NOTIFY_SOCKET`; nil when nobody wants to know.
  public static let current = getenv("NOTIFY_SOCKET").flatMap { ServiceManager(socket: String(cString: $0)) }

  /// The manager that listens on a socket: an absolute path, or `@` and an abstract name; nil for anything else.
  public init?(socket: String) {
    var bytes = Array(socket.utf8)
    // 108 bytes are what an address can hold, a path's NUL among them.
    guard let first = bytes.first, bytes.count > 1, bytes.count < 108 else { return nil }
    switch first {
    case UInt8(ascii: "/"): break
    case UInt8(ascii: "@"): bytes[0] = 0
    default: return nil
    }
    address = bytes
  }

  /// Tells that whatever the process is for can be used; again after ``reloading()``.
  public func ready() {
    isReady.store(true, ordering: .relaxed)
    tell("READY=1")
  }

  /// Tells that what can be read anew is read anew; ``reloaded()`` follows.
  public func reloading() {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    // The time tells the manager which of several requests this is about.
    tell("RELOADING=1\nMONOTONIC_USEC=\(Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1000)")
  }

  /// Tells the end of ``reloading()``. A process that was not ready before is not made so by it.
  public func reloaded() {
    if isReady.load(ordering: .relaxed) { tell("READY=1") }
  }

  /// Tells that the end is near, and wanted.
  public func stopping() { tell("STOPPING=1") }

  private func tell(_ message: String) {
    let descriptor = socket(AF_UNIX, datagramSocketType | closeOnExecution, 0)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: address) }
    // An abstract name ends where the address does; a path may, too.
    let length = socklen_t(MemoryLayout<sa_family_t>.size + address.count)
    let bytes = Array(message.utf8)
    withUnsafePointer(to: &name) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        _ = sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, length)
      }
    }
  }
}
