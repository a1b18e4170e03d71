import FoundationEssentials
import PlexusTesting
import Testing

extension LabTests {
  /// Services through passages between real NATs: a real sshd, ssh and scp.
  @Suite(.serialized, .enabled(if: Lab.isAvailable && SSHSite.isAvailable, "\(SSHSite.missingSentence)"))
  struct Services {
    @Test func sshReachesAServerBehindItsNAT() async throws {
      try await withSSH { site, acceptor, inviter in
        try await acceptor.withServices(["--accept", "--export", site.address]) { _ in
          try await inviter.withServices(["--peer-info", acceptor.identity, "--import", "127.0.0.1:2200"]) { _ in
            let said = try await site.ssh(from: inviter.host, command: "echo $((6 * 7))")
            #expect(said == "42\n")
          }
        }
      }
    }

    @Test func oneCommandLogsIn() async throws {
      try await withSSH { site, acceptor, inviter in
        try await acceptor.withServices(["--accept", "--export", site.address]) { _ in
          let result = try await inviter.host.run(
            "plexus",
            arguments: ["ssh"] + inviter.serving(["--log-level", "error"]) + [acceptor.identity] + site.options
              + ["echo hello there"])
          #expect(result.output == "hello there\n", "\(result.errors)")
          #expect(result.exit == .exited(0))
        }
      }
    }

    @Test func filesArriveIntact() async throws {
      try await withSSH { site, acceptor, inviter in
        let source = "\(inviter.host.directory)/source"
        let made = try await inviter.host.run("sh", "-c", "head -c 200000000 /dev/urandom > \(source)")
        #expect(made.exit == .exited(0))
        try await acceptor.withServices(["--accept", "--export", site.address]) { _ in
          try await inviter.withServices(["--peer-info", acceptor.identity, "--import", "127.0.0.1:2200"]) { _ in
            let copied = try await inviter.host.run(
              "scp", arguments: site.scpOptions(port: 2200) + [source, "root@127.0.0.1:\(site.directory)/target"],
              deadline: .seconds(120))
            #expect(copied.exit == .exited(0), "\(copied.errors)")
          }
        }
        let compared = try await inviter.host.run("cmp", source, "\(site.directory)/target")
        #expect(compared.exit == .exited(0), "\(compared.output)")
      }
    }

    @Test func theTunnelComesBackAfterEitherSideWasKilled() async throws {
      try await withSSH { site, acceptor, inviter in
        try await inviter.withServices(["--peer-info", acceptor.identity, "--import", "127.0.0.1:2200"]) { importer in
          for round in 1...2 {
            try await acceptor.withServices(["--accept", "--export", site.address]) { exporter in
              try await importer.waitForLine(containing: "is up, over", count: round, deadline: .seconds(60))
              let said = try await site.ssh(from: inviter.host, command: "echo \(round)")
              #expect(said == "\(round)\n")
              exporter.send(signal: 9)
              _ = try await exporter.waitForExit()
            }
          }
        }
        // And now the importer, while the exporter stays.
        try await acceptor.withServices(["--accept", "--export", site.address]) { _ in
          for _ in 1...2 {
            try await inviter.withServices(["--peer-info", acceptor.identity, "--import", "127.0.0.1:2200"]) {
              importer in
              let said = try await site.ssh(from: inviter.host, command: "echo again")
              #expect(said == "again\n")
              importer.send(signal: 9)
              _ = try await importer.waitForExit()
            }
          }
        }
      }
    }

    @Test func aFlushedNATDoesNotEndTheTunnel() async throws {
      try await withSSH { site, acceptor, inviter in
        try await acceptor.withServices(["--accept", "--export", site.address]) { _ in
          try await inviter.withServices(["--peer-info", acceptor.identity, "--import", "127.0.0.1:2200"]) { _ in
            let said = try await site.ssh(from: inviter.host, command: "echo before")
            #expect(said == "before\n")
            try await site.flushNATs()
            let again = try await site.ssh(from: inviter.host, command: "echo after")
            #expect(again == "after\n")
          }
        }
      }
    }

    @Test func wormholeAsAPayloadOfEitherSideIsTheOtherEnd() async throws {
      try await withSSH { site, acceptor, inviter in
        let exporting = (
          command: "wormhole",
          arguments:
            "--purpose=export --service=\(site.address) --gateway=%innerip%:%innerport% --faraway=%peerip%:%peerport% --obscure=%secret%"
        )
        let importing = (
          command: "wormhole",
          arguments:
            "--purpose=import --service=127.0.0.1:2200 --gateway=%innerip%:%innerport% --faraway=%peerip%:%peerport% --obscure=%secret%"
        )
        // Built in on one side, the program on the other, both ways round.
        try await acceptor.withServices(["--accept", "--export", site.address]) { _ in
          let invited = try await inviter.host.run(
            "plexus", arguments: inviter.inviting(acceptor, payload: Self.inBinaries(importing)))
          #expect(invited.exit == .exited(0), "\(invited.errors)")
          let said = try await site.ssh(from: inviter.host, command: "echo one")
          #expect(said == "one\n")
          _ = try await inviter.host.run("pkill", "-f", "purpose=import")
        }
        try await acceptor.host.withProcess(
          "plexus", arguments: acceptor.accepting(payload: Self.inBinaries(exporting))
        ) { program in
          try await program.waitForLine(containing: PlexusPeer.acceptingLine)
          try await inviter.withServices(["--peer-info", acceptor.identity, "--import", "127.0.0.1:2200"]) { _ in
            let said = try await site.ssh(from: inviter.host, command: "echo two")
            #expect(said == "two\n")
          }
        }
        _ = try await acceptor.host.run("pkill", "-f", "purpose=export")
      }
    }

    private static func inBinaries(_ payload: (command: String, arguments: String)) -> (
      command: String, arguments: String
    ) {
      ("\(Lab.binaryDirectory)/\(payload.command)", payload.arguments)
    }
  }
}
