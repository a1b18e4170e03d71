import Foundation
import Testing

@testable import CLISupport

@Suite struct ServiceManagerTests {
  @Test(arguments: [true, false]) func statesReachTheManagersSocket(isAbstract: Bool) throws {
    let folder = FileManager.default.temporaryDirectory.path
    let name = isAbstract ? "@plexus-\(UUID().uuidString)" : "\(folder)/plexus-\(UUID().uuidString)"
    defer { unlink(name) }
    let descriptor = try socket(named: name)
    defer { close(descriptor) }
    let manager = try #require(ServiceManager(socket: name))

    // A reload makes nobody ready who was not.
    manager.reloading()
    manager.reloaded()
    manager.ready()
    manager.reloading()
    manager.reloaded()
    manager.stopping()

    let messages = (0..<5).map { _ in receive(from: descriptor) }
    #expect(messages[0].hasPrefix("RELOADING=1\nMONOTONIC_USEC=") && messages[2].hasPrefix("RELOADING=1\n"))
    #expect([messages[1], messages[3], messages[4]] == ["READY=1", "READY=1", "STOPPING=1"])
  }

  @Test(arguments: ["", "/", "relative", "vsock:2:3", "/" + String(repeating: "x", count: 108)])
  func whatIsNoUnixSocketIsNoManager(name: String) {
    #expect(ServiceManager(socket: name) == nil)
  }

  @Test func nobodyListeningHarmsNothing() throws {
    try #require(ServiceManager(socket: "/no/such/socket")).ready()
  }

  private func socket(named name: String) throws -> Int32 {
    let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    var bytes = Array(name.utf8)
    if bytes.first == UInt8(ascii: "@") { bytes[0] = 0 }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sa_family_t>.size + bytes.count))
      }
    }
    try #require(bound == 0)
    // A message that never comes must not keep the test for ever.
    var patience = timeval(tv_sec: 10, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    return descriptor
  }

  private func receive(from descriptor: Int32) -> String {
    var buffer = [UInt8](repeating: 0, count: 256)
    let count = recv(descriptor, &buffer, buffer.count, 0)
    return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
  }
}
