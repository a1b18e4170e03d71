import DatagramSockets
import Datagrams
import Foundation
import Identity
import Logging
import Plexus
import PlexusTesting
import Testing

/// What anybody can send to a program that waits for invitations.
@Suite(.timeLimit(.minutes(2))) struct FloodTests {
  private static let loopback = IPAddress.v4(0x7F00_0001)

  /// OpenDHT fills the memory of received datagrams again if it gets it back; were it not, each of these would stay for good.
  @Test(
    .disabled(
      if: ProcessInfo.processInfo.environment.keys.contains { $0.hasSuffix("SAN_OPTIONS") },
      "a sanitizer keeps what is freed"))
  func garbageAtThePortOfTheDHTLeavesNoMemoryBehind() async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("plexus-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try await HeavyTests.run {
      var serving = PlexusServer.Configuration()
      serving.addresses = [Self.loopback]
      (serving.stunPort, serving.dhtPort, serving.dhtNetwork) = (0, 0, .random(in: 1...UInt32.max))
      let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
      let server = try await PlexusServer.start(serving, logger: quiet)
      let sender = try await UDPSocket.bind(to: Endpoint(address: Self.loopback, port: 0))
      // Nobody takes the port in between: the kernel gives each port once before it begins anew.
      let freed = try await UDPSocket.bind(to: Endpoint(address: Self.loopback, port: 0))
      let port = freed.localEndpoint.port
      await freed.close()
      let acceptor = try accept(at: port, server, network: serving.dhtNetwork, in: folder)
      do {
        try await grownByFlood(of: acceptor, at: port, from: sender, log: "\(folder)/errors")
      } catch {
        Issue.record(error)
      }
      acceptor.terminate()
      await sender.close()
      await server.close()
    }
  }

  private func grownByFlood(of acceptor: Process, at port: UInt16, from sender: UDPSocket, log: String) async throws {
    let said = try await tryingAgain(attempts: 400, pause: .milliseconds(50)) {
      $0.contains("Joined the DHT")
    } _: {
      try String(contentsOfFile: log, encoding: .utf8)
    }
    try #require(said.contains("Joined the DHT"), "\(said)")
    let target = Endpoint(address: Self.loopback, port: port)
    try await flood(target, from: sender, with: 2000)
    let before = try resident(acceptor)
    try await flood(target, from: sender, with: 12_000)
    let grown = try resident(acceptor) - before
    // Twelve megabytes were sent.
    #expect(acceptor.isRunning && grown < 4096, "\(grown) KB more")
  }

  private func accept(
    at port: UInt16, _ server: PlexusServer, network: UInt32, in folder: String
  ) throws -> Process {
    let repository = try ApplicationRepository(path: folder)
    for name in ["ann@example.org/a", "bob@example.org/b"] {
      _ = try repository.create(IdentityName(name), options: NewIdentityOptions(bits: 2048))
    }
    let (stun, dht) = try (#require(server.stunEndpoints.first), #require(server.dhtEndpoints.first))
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try #require(Lab.findProgram("plexus")))
    process.arguments = [
      "--accept", "--app-id=flood", "--app-repo=\(folder)", "--host-info=ann@example.org/a", "--exec-command=true",
      "--stun-server=\(stun)", "--dht-bootstrap=\(dht)", "--dht-network=\(network)", "--dht-port=\(port)",
      "--no-port-mapping",
    ]
    process.environment = ["HOME": folder, "PATH": "/usr/bin:/bin"]
    let log = "\(folder)/errors"
    try "".write(toFile: log, atomically: false, encoding: .utf8)
    process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: log))
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    return process
  }

  /// Not faster than they are read: what waits for OpenDHT takes memory, up to its bound.
  private func flood(_ target: Endpoint, from sender: UDPSocket, with count: Int) async throws {
    for number in 1...count {
      let garbage = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 1000)
      try await sender.send(Transmit(to: target, payload: garbage))
      if number.isMultiple(of: 40) { try await Task.sleep(for: .milliseconds(2)) }
    }
    try await Task.sleep(for: .milliseconds(200))
  }

  /// In KB.
  private func resident(_ process: Process) throws -> Int {
    let status = try String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
    return try #require(line.split { $0 == " " || $0 == "\t" }.dropFirst().first.flatMap { Int($0) })
  }
}
