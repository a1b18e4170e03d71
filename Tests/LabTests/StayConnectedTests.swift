import PlexusTesting
import Testing

extension LabTests {
  /// Streams that go on although the network below them changes: a real ssh session that prints for a while.
  @Suite(.serialized, .enabled(if: Lab.isAvailable && SSHSite.isAvailable, "\(SSHSite.missingSentence)"))
  struct StayConnected {
    @Test func aSessionOutlivesAnotherAddressOfTheInvitersHost() async throws {
      try await withSession { lab, importer in
        let changed = try await lab.host(1).run(
          "sh", "-ec",
          "ip address del 198.18.1.10/24 dev eth0; ip address add 198.18.1.77/24 dev eth0; ip route replace default via 198.18.1.1"
        )
        #expect(changed.exit == .exited(0), "\(changed.errors)")
        try await importer.waitForLine(containing: "another address towards")
        try await importer.waitForLine(containing: "go on over")
      }
    }

    @Test(arguments: [0, 1]) func aSessionOutlivesAnotherAddressOfEitherNAT(_ site: Int) async throws {
      try await withSession { lab, importer in
        try await lab.nat(site).move(to: "203.0.113.211")
        try await importer.waitForLine(containing: "go on over")
      }
    }

    /// A machine that sleeps does nothing, and neither does a stopped process.
    @Test func aSessionOutlivesASleepOfTheInviter() async throws {
      try await withSession { _, importer in
        importer.send(signal: 19)
        try await Task.sleep(for: .seconds(9))
        importer.send(signal: 18)
      }
    }

    /// Providers' NATs forget after 20 s; these do after 3 s, and their networks take small packets only.
    @Test func anIdleStreamKeepsMappingsThatAreSoonForgottenWherePacketsAreSmall() async throws {
      try await withPair { lab, acceptor, inviter in
        for site in [0, 1] {
          try await lab.nat(site).forgetMappings(after: 3)
          try await lab.nat(site).limitPackets(to: 1280)
          _ = try await lab.host(site).run("ip", "link", "set", "eth0", "mtu", "1280")
        }
        try await withImporter(of: acceptor, at: inviter, in: lab) { site, importer in
          let said = try await site.ssh(
            from: inviter.host, command: "echo begin; sleep 9; head -c 300000 /dev/zero | tr '\\0' x; echo; echo end")
          #expect(said.hasSuffix("x\nend\n") && said.count > 250_000)
          #expect(!importer.errors.contains("go on over"), "\(importer.errors)")
        }
      }
    }

    /// Calls `body` while services of a real sshd are at hand.
    private func withImporter(
      of acceptor: PlexusPeer, at inviter: PlexusPeer, in lab: Lab,
      _ body: (SSHSite, Lab.RunningProgram) async throws -> Void
    ) async throws {
      let site = try await SSHSite(on: acceptor.host, in: lab)
      try await acceptor.host.withProcess(
        Lab.findProgram("sshd") ?? "sshd", "-D", "-e", "-f", "\(site.directory)/sshd_config"
      ) { server in
        try await server.waitForLine(containing: "Server listening")
        try await acceptor.withServices(["--accept", "--export", site.address]) { _ in
          try await inviter.withServices(["--peer-info", acceptor.identity, "--import", "127.0.0.1:2200"]) { importer in
            try await importer.waitForLine(containing: "encrypted between the two identities")
            try await body(site, importer)
          }
        }
      }
    }

    /// Calls `body` while a session prints, and expects that it prints to its end.
    private func withSession(_ body: (Lab, Lab.RunningProgram) async throws -> Void) async throws {
      try await withPair { lab, acceptor, inviter in
        try await withImporter(of: acceptor, at: inviter, in: lab) { site, importer in
          let command = "for i in $(seq 60); do echo line $i; sleep 0.1; done; echo the end"
          try await inviter.host.withProcess(
            "ssh", arguments: site.options + ["-p", "2200", "127.0.0.1", command]
          ) { session in
            try await session.waitForLine(containing: "line 5")
            try await body(lab, importer)
            try await session.waitForLine(containing: "the end", deadline: .seconds(60))
            #expect(try await session.waitForExit() == .exited(0))
            for number in 1...60 {
              #expect(session.output.contains("line \(number)\n"))
            }
          }
        }
      }
    }
  }
}
