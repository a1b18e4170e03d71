import PlexusTesting
import Testing

extension LabTests {
  /// The program `plexus` between real NATs, over a real mail server on the public side.
  @Suite(
    .serialized, .enabled(if: Lab.isAvailable, "\(Lab.missingSentence)"),
    .enabled(if: MailServerSite.missingSentence == nil, "\(MailServerSite.missingSentence ?? "")"))
  struct Email {
    @Test(arguments: [true, false]) func twoHostsBehindNATsMeetByEmail(idle: Bool) async throws {
      try await withPair { lab, acceptor, inviter in
        try await lab.withMailServer(for: [acceptor, inviter], idle: idle) { site in
          let (acceptor, inviter) = (acceptor.using(mail: site), inviter.using(mail: site))
          try await acceptor.withAcceptor { running in
            for count in 1...2 {
              let result = try await inviter.invites(acceptor)
              try await acceptor.waitForPassages(count, with: inviter)
              try await inviter.waitForPassages(count, with: acceptor)
              try await expectMatchingPassages(acceptor, inviter)
              #expect(!result.errors.contains(MailServerSite.password))
            }
            #expect(!running.errors.contains(MailServerSite.password))
          }
          // Nothing is left behind.
          for peer in [acceptor, inviter] { #expect(site.mails(of: peer.mailAddress).isEmpty) }
        }
      }
    }

    @Test func twoSymmetricNATsAreNamedByEmail() async throws {
      try await withPair(behind: .symmetric, .symmetric) { lab, acceptor, inviter in
        try await lab.withMailServer(for: [acceptor, inviter]) { site in
          let (acceptor, inviter) = (acceptor.using(mail: site), inviter.using(mail: site))
          try await acceptor.withAcceptor { _ in
            let result = try await inviter.host.run(
              "plexus", arguments: inviter.inviting(acceptor), deadline: .seconds(90))
            #expect(result.exit == .exited(69))
            #expect(result.errors.contains("both NATs are symmetric"), "\(result.errors)")
          }
        }
      }
    }

    @Test func anAcceptorWaitsForAServerThatIsNotThereYet() async throws {
      try await withPair { lab, acceptor, inviter in
        let site = try MailServerSite(
          address: lab.server.address, accounts: [acceptor, inviter].map(\.mailAddress))
        defer { site.remove() }
        // The certificates are made by the server's first start.
        try await lab.server.withProcess("sh", site.script) { try await $0.waitForLine(containing: "ready") }
        let (acceptor, inviter) = (acceptor.using(mail: site), inviter.using(mail: site))
        try await acceptor.host.withProcess("plexus", arguments: acceptor.accepting()) { running in
          try await running.waitForLine(containing: "connection refused")
          let refused = try await inviter.host.run("plexus", arguments: inviter.inviting(acceptor))
          #expect(refused.exit == .exited(69))
          #expect(
            refused.errors.split(separator: "\n").last?.contains("connection refused") == true, "\(refused.errors)")
          try await lab.server.withProcess("sh", site.script) { server in
            try await server.waitForLine(containing: "ready")
            try await running.waitForLine(containing: PlexusPeer.acceptingLine, deadline: .seconds(90))
            try await inviter.invites(acceptor)
            try await expectMatchingPassages(acceptor, inviter)
          }
        }
      }
    }

    @Test(arguments: [true, false]) func presenceIsToldByEmailAndOverTheDHT(byEmail: Bool) async throws {
      try await withPair { lab, one, other in
        try await lab.withMailServer(for: [one, other]) { site in
          let (one, other) = byEmail ? (one.using(mail: site), other.using(mail: site)) : (one, other)
          try await one.host.withProcess("plexus", arguments: ["advent", "--receive"] + one.meeting) { receiver in
            try await receiver.waitForLine(containing: PlexusPeer.acceptingLine)
            let result = try await other.host.run(
              "plexus", arguments: ["advent", "--forward", "--peer-info", one.identity] + other.meeting)
            #expect(result.exit == .exited(0), "\(result.errors)")
            // In the log, and by itself on standard output.
            try await receiver.waitForLine(containing: other.identity, count: 2)
            #expect(receiver.output == "\(other.identity)\n")
          }
        }
      }
    }
  }
}
