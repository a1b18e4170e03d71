import DatagramSockets
import Datagrams
import Foundation
import Identity
import Logging
import Plexus
import PlexusTesting
import Testing

/// The UDP socket of our DHT node, in a program that waits for invitations.
@Suite(.timeLimit(.minutes(2))) struct DHTSocketTests {
  private static let loopback = IPAddress.v4(0x7F00_0001)

  /// OpenDHT fills the memory of received datagrams again if it gets it back; were it not, each of these would stay for good.
  @Test(
    .disabled(
      if: ProcessInfo.processInfo.environment.keys.contains { $0.hasSuffix("SAN_OPTIONS") },
      "a sanitizer keeps what is freed"))
  func garbageLeavesNoMemoryBehind() async throws {
    let sender = try await UDPSocket.bind(to: Endpoint(address: Self.loopback, port: 0))
    // Nobody takes the port in between: the kernel gives each port once before it begins anew.
    let freed = try await UDPSocket.bind(to: Endpoint(address: Self.loopback, port: 0))
    let target = freed.localEndpoint
    await freed.close()
    try await joined(at: target.port) { acceptor in
      try await flood(target, from: sender, with: 2000)
      let before = try resident(acceptor)
      try await flood(target, from: sender, with: 12_000)
      let grown = try resident(acceptor) - before
      // Twelve megabytes were sent.
      #expect(grown < 4096, "\(grown) KB more")
    }
    await sender.close()
  }

  /// OpenDHT's own socket waits by select(2), which ends the process when a descriptor is above 1023.
  @Test func aProgramMayHaveManyDescriptorsOpen() async throws {
    let many = "ulimit -n 2048; for ((n = 10; n < 1200; n++)); do eval \"exec $n</dev/null\"; done; exec \"$0\" \"$@\""
    try await joined(at: 0, startedBy: ["/bin/bash", "-c", many]) { #expect($0.processIdentifier != nil) }
  }

  /// Calls `body` with a running acceptor that has joined the DHT.
  private func joined(
    at port: UInt16, startedBy shell: [String] = [], _ body: (Lab.RunningProgram) async throws -> Void
  ) async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("plexus-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try await HeavyTests.run {
      var serving = PlexusServer.Configuration()
      serving.addresses = [Self.loopback]
      (serving.stunPort, serving.dhtPort, serving.dhtNetwork) = (0, 0, .random(in: 1...UInt32.max))
      let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
      let server = try await PlexusServer.start(serving, logger: quiet)
      do {
        let command = try shell + accepting(at: port, server, network: serving.dhtNetwork, in: folder)
        // A sanitizer's options are the test's, too.
        let options = ProcessInfo.processInfo.environment.filter { $0.key.hasSuffix("SAN_OPTIONS") }
        try await Lab.withProgram(
          command[0], arguments: Array(command.dropFirst()),
          environment: options.merging(["HOME": folder, "PATH": "/usr/bin:/bin"]) { $1 }
        ) { acceptor in
          try await acceptor.waitForLine(containing: "Joined the DHT")
          try await body(acceptor)
        }
      } catch {
        Issue.record(error)
      }
      await server.close()
    }
  }

  private func accepting(
    at port: UInt16, _ server: PlexusServer, network: UInt32, in folder: String
  ) throws -> [String] {
    let repository = try ApplicationRepository(path: folder)
    for name in ["ann@example.org/a", "bob@example.org/b"] {
      _ = try repository.create(IdentityName(name), options: NewIdentityOptions(bits: 2048))
    }
    let (stun, dht) = try (#require(server.stunEndpoints.first), #require(server.dhtEndpoints.first))
    return try [
      #require(Lab.findProgram("plexus")), "--accept", "--app-id=sockets", "--app-repo=\(folder)",
      "--host-info=ann@example.org/a", "--exec-command=true", "--stun-server=\(stun)", "--dht-bootstrap=\(dht)",
      "--dht-network=\(network)", "--dht-port=\(port)", "--no-port-mapping",
    ]
  }

  /// Not faster than they are read: what waits for OpenDHT takes memory, up to its bound.
  private func flood(_ target: Endpoint, from sender: UDPSocket, with count: Int) async throws {
    for number in 1...count {
      let garbage = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 1000)
      try await sender.send(Transmit(to: target, payload: garbage))
      if number.isMultiple(of: 40) { try await Task.sleep(for: .milliseconds(2)) }
    }
    // What waits in the kernel's buffer, 200 KB at most, is read within milliseconds; nothing tells when.
    try await Task.sleep(for: .milliseconds(200))
  }

  /// In KB.
  private func resident(_ program: Lab.RunningProgram) throws -> Int {
    let process = try #require(program.processIdentifier)
    let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
    return try #require(line.split { $0 == " " || $0 == "\t" }.dropFirst().first.flatMap { Int($0) })
  }
}
