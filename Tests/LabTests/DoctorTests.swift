import FoundationEssentials
import PlexusTesting
import Testing

extension LabTests {
  /// `plexus doctor` where all is well, and where one thing is not.
  @Suite(.serialized, .enabled(if: Lab.isAvailable, "\(Lab.missingSentence)")) struct Doctor {
    struct Seen: Decodable {
      struct Finding: Decodable { var layer, verdict, found, advice: String }
      struct Prediction: Decodable {
        var peer, way: String
        var succeeds: Bool
      }
      struct Failure: Decodable {
        var code, message: String
        var ownTraits, peerTraits: String?
      }
      var works: Bool
      var traits: String?
      var findings: [Finding]
      var predictions: [Prediction]
      var failures: [Failure]
      var milliseconds: Double

      func words(_ layer: String) -> String {
        findings.filter { $0.layer == layer }.map { "\($0.verdict): \($0.found); \($0.advice)" }.joined(separator: "\n")
      }
      func problems() -> Set<String> { Set(findings.filter { $0.verdict == "problem" }.map(\.layer)) }
    }

    private func diagnose(_ peer: PlexusPeer, _ options: String..., exit: Int32) async throws -> Seen {
      let result = try await peer.host.run(
        "plexus", arguments: peer.diagnosing + ["--json"] + options, deadline: .seconds(20))
      #expect(result.exit == .exited(exit), "\(result.errors)\n\(result.output)")
      let seen = try JSONDecoder().decode(Seen.self, from: Data(result.output.utf8))
      #expect(seen.works == (exit == 0) && seen.milliseconds < 10_000)
      return seen
    }

    @Test(
      arguments: [
        (.open, "cone/open", "direct"), (.portRestricted, "cone/port-restricted", "punched"),
        (.symmetric, "symmetric/port-restricted/random", "portSearch"),
      ] as [(Lab.NATKind, String, String)])
    func allIsWellBehindANAT(_ nat: Lab.NATKind, _ traits: String, _ way: String) async throws {
      try await withPair(behind: .portRestricted, nat) { _, other, peer in
        let seen = try await diagnose(peer, "--peer", other.identity, "--peer-traits", "cone/port-restricted", exit: 0)
        #expect(seen.traits == traits, "\(seen.words("nat"))")
        #expect(seen.problems().isEmpty && seen.words("dht").contains("was found by another"))
        #expect(seen.words("peer").contains("ok: the certificate of \(other.identity)"))
        #expect(seen.predictions.map(\.way) == [way] && seen.predictions[0].succeeds)
        #expect(seen.words("localNetwork").contains(peer.host.address))
      }
    }

    @Test(.enabled(if: Lab.canMapPorts, "Port mapping needs miniupnpd."))
    func aRouterThatForwardsPortsIsSeenAndCounts() async throws {
      try await withPair(behind: .symmetric, .symmetric) { lab, peer, _ in
        try await lab.withPortMapping(on: 0, by: [.upnp]) { router in
          let seen = try await diagnose(peer, "--peer-traits", "symmetric/port-restricted/random", exit: 0)
          #expect(seen.words("portMapping").contains("by UPnP IGD"), "\(seen.words("portMapping"))")
          #expect(seen.traits?.hasSuffix(",forwarding") == true && seen.predictions.map(\.succeeds) == [true])
          #expect(try await router.forwardedPorts().isEmpty)
          let silent = try await diagnose(peer, "--no-port-mapping", exit: 0)
          #expect(silent.words("portMapping").isEmpty)
        }
      }
    }

    /// What is predicted, what happens, and what is remembered are one.
    @Test func twoSymmetricNATsArePredictedToFailAndTheFailureIsRemembered() async throws {
      try await withPair(behind: .symmetric, .symmetric) { _, acceptor, inviter in
        let theirs = try #require(try await diagnose(acceptor, exit: 0).traits)
        let before = try await diagnose(inviter, "--peer-traits", theirs, exit: 0)
        #expect(before.predictions.map(\.way) == ["none"])
        try await acceptor.withAcceptor { program in
          let result = try await inviter.host.run(
            "plexus", arguments: inviter.inviting(acceptor), deadline: .seconds(90))
          #expect(result.exit == .exited(69))
          // It waits a few seconds longer, for its answer may have taken them.
          try await program.waitForLine(containing: "both NATs are symmetric")
        }
        for peer in [acceptor, inviter] {
          let failure = try #require(try await diagnose(peer, exit: 0).failures.last)
          #expect(failure.code == "symmetricNAT" && failure.message.contains("both NATs are symmetric"))
          #expect(failure.ownTraits == "symmetric/unknown/random" && failure.peerTraits == "symmetric/unknown/random")
        }
      }
    }

    @Test func blockedUDPIsSaidInThoseWords() async throws {
      try await withPair { _, _, peer in
        let blocked = try await peer.host.run(
          "nft",
          "add table inet wall; add chain inet wall out { type filter hook output priority 0; }; "
            + "add rule inet wall out meta l4proto udp drop")
        #expect(blocked.exit == .exited(0), "\(blocked.errors)")
        let seen = try await diagnose(peer, exit: 1)
        #expect(seen.words("nat").contains("UDP seems to be blocked altogether"))
        #expect(seen.problems() == ["stun", "nat", "dht"] && seen.traits == nil)
      }
    }

    @Test func aDeadHostOfTheDHTIsNamed() async throws {
      try await withPair { lab, _, peer in
        let result = try await peer.host.run(
          "plexus", arguments: peer.diagnosing + ["--dht-bootstrap", lab.deadServer], deadline: .seconds(20))
        // The option is given twice, and either host will do.
        #expect(result.exit == .exited(0) && result.output.contains("Tell your peer: cone/port-restricted"))
        let alone = peer.diagnosing.filter { $0 != "--dht-bootstrap" && $0 != lab.bootstrap }
        let dead = try await peer.host.run(
          "plexus", arguments: alone + ["--dht-bootstrap", lab.deadServer], deadline: .seconds(20))
        #expect(dead.exit == .exited(1), "\(dead.output)")
        #expect(dead.output.contains("the DHT was not joined: \(lab.deadServer) did not answer"), "\(dead.output)")
        #expect(dead.output.contains("1 thing that is needed does not work"))
      }
    }

    @Test(.enabled(if: MailServerSite.missingSentence == nil, "\(MailServerSite.missingSentence ?? "")"))
    func aWrongPasswordOfTheMailServersIsSaid() async throws {
      try await withPair { lab, _, peer in
        try await lab.withMailServer(for: [peer]) { site in
          let peer = peer.using(mail: site)
          let right = try await diagnose(peer, exit: 0)
          #expect(right.words("email").contains("opens the inbox") && right.words("dht").isEmpty)
          let wrong = peer.diagnosing.map { $0 == MailServerSite.password ? "wrong" : $0 }
          let result = try await peer.host.run("plexus", arguments: wrong, deadline: .seconds(20))
          #expect(result.exit == .exited(1) && result.output.contains("refused the login of \(peer.mailAddress)"))
        }
      }
    }
  }
}
