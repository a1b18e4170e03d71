import FoundationEssentials
import PlexusTesting
import Testing

extension LabTests {
  /// What people carry through passages besides ssh, with the programs that they use.
  @Suite(.serialized, .enabled(if: Lab.isAvailable && ExamplePrograms.areThere, "\(ExamplePrograms.missingSentence)"))
  struct Examples {
    @Test func twoHundredClientsAtOnceReadFromAServerBehindItsNAT() async throws {
      try await withPair { _, acceptor, inviter in
        let folder = "\(acceptor.host.directory)/www"
        _ = try await acceptor.host.run(
          "sh", "-ec", "mkdir \(folder); head -c 50000 /dev/urandom >\(folder)/file")
        try await acceptor.host.withProcess("busybox", "httpd", "-f", "-p", "127.0.0.1:8080", "-h", folder) { _ in
          try await acceptor.withServices(["--accept", "--export", "web=127.0.0.1:8080"]) { _ in
            try await inviter.withServices(["--peer-info", acceptor.identity, "--import", "8080=web"]) { _ in
              let result = try await inviter.host.run(
                "ab", "-q", "-s", "60", "-n", "1000", "-c", "200", "http://127.0.0.1:8080/file",
                deadline: .seconds(120))
              #expect(result.exit == .exited(0), "\(result.errors)")
              #expect(result.output.contains("Complete requests:      1000"), "\(result.output)")
              #expect(result.output.contains("Failed requests:        0"), "\(result.output)")
            }
          }
        }
      }
    }

    @Test func openvpnMakesANetworkOfTwo() async throws {
      try await withPair { _, acceptor, inviter in
        func payload(_ own: String, _ other: String) -> (command: String, arguments: String) {
          (
            Lab.findProgram("openvpn") ?? "openvpn",
            "--dev tun --proto udp --lport %innerport% --remote %peerip% %peerport% --ifconfig \(own) \(other) "
              + "--cipher none --auth none --ping 2"
          )
        }
        try await acceptor.host.withProcess(
          "plexus", arguments: acceptor.accepting(payload: payload("10.77.0.1", "10.77.0.2"))
        ) { program in
          try await program.waitForLine(containing: PlexusPeer.acceptingLine)
          let invited = try await inviter.host.run(
            "plexus", arguments: inviter.inviting(acceptor, payload: payload("10.77.0.2", "10.77.0.1")))
          #expect(invited.exit == .exited(0), "\(invited.errors)")
          // As many tries as it takes both to bring their devices up.
          let ping = try await inviter.host.run(
            "sh", "-c", "for try in $(seq 60); do ping -c 1 -W 1 10.77.0.1 && exit 0; sleep 0.3; done; exit 1",
            deadline: .seconds(90))
          #expect(ping.exit == .exited(0), "\(ping.output)")
        }
        for peer in [acceptor, inviter] {
          for process in peer.host.processIdentifiers { _ = try? await peer.host.run("kill", "\(process)") }
        }
      }
    }
  }
}

/// The programs of the examples.
private enum ExamplePrograms {
  static let areThere = missing.isEmpty
  static let missingSentence =
    missing.isEmpty ? Lab.missingSentence : "these tests need \(missing) (packages openvpn, busybox, apache2-utils)"
  private static let missing = ["openvpn", "busybox", "ab"].filter { Lab.findProgram($0) == nil }
    .joined(separator: ", ")
}
