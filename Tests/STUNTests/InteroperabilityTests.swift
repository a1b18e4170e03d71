import DatagramSockets
import Datagrams
import Testing

@testable import STUN

/// Against other people's servers and clients, where they are installed.
@Suite struct InteroperabilityTests {
  private static let addresses = [IPAddress.v4(0x7F00_0001), .v4(0x7F00_0002)]
  /// Patient, since a server that has just been started answers late.
  private static let patience = RetransmissionPolicy(initialTimeout: .milliseconds(100), maximumRequests: 9)

  @Test(.enabled(if: Program.isInstalled("turnserver"), "needs coturn's turnserver"))
  func coturnWithTwoAddressesTellsEverything() async throws {
    let turnserver = try #require(Program.find("turnserver"))
    // Free ports: whoever else asks for any port gets others, as long as they are many.
    let reservation = try await STUNService.bind(addresses: Self.addresses, ports: [0, 0])
    await reservation.close()
    let (server, other) = (reservation.endpoints[0], reservation.endpoints[3])
    try await turnserver.running([
      "-n", "--no-auth", "--stun-only", "-L", "127.0.0.1", "-L", "127.0.0.2", "--no-tls", "--no-dtls", "--no-cli",
      "--listening-port", "\(server.port)", "--alt-listening-port", "\(other.port)", "--log-file", "/dev/null",
      "--pidfile", "/dev/null",
    ]) {
      let socket = try await UDPSocket.bind(to: .any(.v4))
      let mapping = try await STUNClient.discoverMapping(
        on: socket, servers: [STUNServer(endpoint: server)], timeout: .seconds(30), retransmission: Self.patience)
      await socket.close()
      #expect(mapping.isTranslated == false)
      #expect(mapping.publicEndpoint.port == socket.localEndpoint.port)

      let report = try await STUNClient.explore(
        servers: [STUNServer(endpoint: server)], local: Endpoint(address: Self.addresses[0], port: 0),
        budget: .seconds(20))
      #expect(report.servers[0].other == other)
      #expect(report.servers[0].software?.contains("oturn") == true)
      #expect(report.mapping == .endpointIndependent)
      #expect(report.filtering == .endpointIndependent)
    }
  }

  @Test(.enabled(if: Program.isInstalled("turnutils_natdiscovery"), "needs coturn's turnutils_natdiscovery"))
  func coturnsNATDiscoveryUnderstandsOurServer() async throws {
    for (option, verdict) in [
      ("-m", "NAT with Endpoint Independent Mapping!"), ("-f", "Endpoint Independent Filtering!"),
    ] {
      try await Self.expect("turnutils_natdiscovery", tells: verdict) { [option, "-p", "\($0.port)", "\($0.address)"] }
    }
  }

  @Test(.enabled(if: Program.isInstalled("turnutils_stunclient"), "needs coturn's turnutils_stunclient"))
  func coturnsClientUnderstandsOurServer() async throws {
    try await Self.expect("turnutils_stunclient", tells: "UDP reflexive addr: 127.0.0.1:") {
      ["-p", "\($0.port)", "\($0.address)"]
    }
  }

  @Test(.enabled(if: Program.isInstalled("stun"), "needs stun of stun-client"))
  func aClientOfRFC3489UnderstandsOurServer() async throws {
    try await Self.expect("stun", tells: "Primary: Open") { ["\($0)"] }
  }

  /// Runs a client against our server with two addresses. It may run again: these clients wait only briefly for their
  /// answers, and take a loaded machine for a NAT.
  private static func expect(_ name: String, tells verdict: String, _ arguments: (Endpoint) -> [String]) async throws {
    let program = try #require(Program.find(name))
    let service = try await STUNService.bind(addresses: addresses, ports: [0, 0])
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await service.run() }
      defer { group.cancelAll() }
      var output = ""
      for _ in 0..<10 {
        output = try await program.output(arguments(service.endpoints[0]))
        if output.contains(verdict) { return }
      }
      Issue.record("\(name) did not say “\(verdict)” but \(output)")
    }
  }
}
