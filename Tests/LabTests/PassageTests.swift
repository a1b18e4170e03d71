import PlexusTesting
import Testing

extension LabTests {
  /// The program `plexus` between real NATs, over a real DHT node and real STUN servers.
  @Suite(.serialized, .enabled(if: Lab.isAvailable, "\(Lab.missingSentence)")) struct Passages {
    static let passable = Lab.NATKind.allCases.filter { $0 != .symmetric }

    @Test(arguments: passable, passable)
    func everyPairConnects(acceptor acceptorNAT: Lab.NATKind, inviter inviterNAT: Lab.NATKind) async throws {
      try await withPair(behind: acceptorNAT, inviterNAT) { lab, acceptor, inviter in
        try await acceptor.withAcceptor(of: inviter) { _ in
          try await inviter.invites(acceptor)
          try await expectMatchingPassages(acceptor, inviter)
        }
        for (index, peer) in [acceptor, inviter].enumerated() {
          let address = lab.sites[index].nat == .open ? peer.host.address : lab.nat(index).publicAddress
          #expect(peer.passages.first?.outer.address.description == address)
        }
      }
    }

    @Test func oneAcceptorServesManyPeersAtOnce() async throws {
      // The benchmark does this with twenty.
      let count = 6
      try await withLab(sites: Array(repeating: .portRestricted, count: count + 1)) { lab in
        let acceptor = try await PlexusPeer("acceptor", on: lab.host(0), in: lab)
        let inviters = try await makePeers(count, known: acceptor, in: lab)
        try await acceptor.withAcceptor { _ in
          try await withThrowingTaskGroup(of: Void.self) { group in
            for inviter in inviters { group.addTask { try await inviter.invites(acceptor) } }
            try await group.waitForAll()
          }
          for inviter in inviters { try await expectMatchingPassages(acceptor, inviter) }
        }
        // Each passage has a port and a secret of its own.
        #expect(Set(acceptor.passages.map(\.outer)).count == count)
        #expect(Set(acceptor.passages.map(\.secret)).count == count)
      }
    }

    @Test func oneAcceptorServesAPeerAgainAndAgain() async throws {
      try await withPair { _, acceptor, inviter in
        try await acceptor.withAcceptor { _ in
          for count in 1...3 {
            try await inviter.invites(acceptor)
            try await acceptor.waitForPassages(count, with: inviter)
            try await inviter.waitForPassages(count, with: acceptor)
          }
        }
        #expect(Set(acceptor.passages.map(\.secret)) == Set(inviter.passages.map(\.secret)))
        #expect(Set(acceptor.passages.map(\.secret)).count == 3)
      }
    }

    @Test func aTenthOfTheDatagramsMayBeLost() async throws {
      try await withPair { lab, acceptor, inviter in
        for site in lab.sites.indices { try await lab.nat(site).dropDatagrams(percent: 10) }
        try await acceptor.withAcceptor { _ in
          try await inviter.invites(acceptor)
          try await expectMatchingPassages(acceptor, inviter)
        }
      }
    }

    @Test func twoPlainServersDo() async throws {
      try await withPair { lab, acceptor, inviter in
        let (acceptor, inviter) = (
          acceptor.using(stunServers: lab.plainSTUNServers), inviter.using(stunServers: lab.plainSTUNServers)
        )
        try await acceptor.withAcceptor { _ in
          try await inviter.invites(acceptor)
          try await expectMatchingPassages(acceptor, inviter)
        }
      }
    }

    @Test func theSilentOneOfThreeServersIsNamed() async throws {
      try await withPair { lab, acceptor, inviter in
        let inviter = inviter.using(stunServers: [lab.deadServer] + lab.plainSTUNServers)
        try await acceptor.withAcceptor { _ in
          let result = try await inviter.invites(acceptor)
          #expect(result.errors.contains("198.51.100.9"), "\(result.errors)")
          try await expectMatchingPassages(acceptor, inviter)
        }
      }
    }

    @Test func aRouterThatRebootsMeanwhileIsNoMatter() async throws {
      try await withPair { lab, acceptor, inviter in
        try await acceptor.withAcceptor { _ in
          try await lab.nat(0).reboot()
          try await inviter.invites(acceptor)
          try await expectMatchingPassages(acceptor, inviter)
        }
      }
    }

    @Test func passagesCanBeIPv6() async throws {
      try await withLab(sites: [.portRestricted, .symmetric], ipv6: true) { lab in
        let acceptor = try await PlexusPeer("acceptor", on: lab.host(0), in: lab, stunServers: [lab.stunServerV6])
        let inviter = try await PlexusPeer("inviter", on: lab.host(1), in: lab, stunServers: [lab.stunServerV6])
        try acceptor.befriend(inviter)
        let local = ["--stun-client", "[::]:0"]
        try await acceptor.withAcceptor(options: local) { _ in
          try await inviter.invites(acceptor, options: local)
          try await expectMatchingPassages(acceptor, inviter)
        }
        #expect(inviter.passages.first?.outer.address.family == .v6)
      }
    }

    @Test func thePayloadsTalkThroughThePunchedPort() async throws {
      try await withPair { _, acceptor, inviter in
        let talk: @Sendable (PlexusPeer, String) -> (command: String, arguments: String) = { peer, name in
          ("\(Lab.binaryDirectory)/plexus-lab", "talk \(name) %inner% %alien%")
        }
        let log = { (peer: PlexusPeer) in "\(peer.host.directory)/talk" }
        let accepting = acceptor.accepting(payload: talk(acceptor, "bob")) + ["--exec-log", log(acceptor)]
        let inviting = inviter.inviting(acceptor, payload: talk(inviter, "alice")) + ["--exec-log", log(inviter)]
        try await acceptor.host.withProcess("plexus", arguments: accepting) { running in
          try await running.waitForLine(containing: PlexusPeer.acceptingLine)
          let result = try await inviter.host.run("plexus", arguments: inviting)
          #expect(result.exit == .exited(0), "\(result.errors)")
          try await expectLine("bob hears: hello from alice, line 3", in: log(acceptor), on: acceptor.host)
          try await expectLine("alice hears: hello from bob, line 3", in: log(inviter), on: inviter.host)
        }
      }
    }
  }
}
