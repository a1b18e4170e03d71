import PlexusTesting
import Testing

extension LabTests {
  /// Networks that have more than one way, or none that a server could tell.
  @Suite(.serialized, .enabled(if: Lab.isAvailable, "\(Lab.missingSentence)")) struct Ways {
    private static let others: [Lab.Site] = [.open, .fullCone, .addressRestricted, .portRestricted, .doubled]

    @Test(arguments: others, [Lab.Site.symmetric, .symmetricSequential])
    func aSymmetricNATIsPassedByTheInviter(_ other: Lab.Site, _ symmetric: Lab.Site) async throws {
      try await expectPassage(between: [other, symmetric])
    }

    @Test(arguments: others, [Lab.Site.symmetric, .symmetricSequential])
    func aSymmetricNATIsPassedByTheAcceptor(_ other: Lab.Site, _ symmetric: Lab.Site) async throws {
      try await expectPassage(between: [symmetric, other])
    }

    /// It lies in the DHT for ten minutes, and the acceptor cannot know that nobody waits for its answer.
    @Test func anAbandonedInvitationDoesNotHoldUpTheNextOne() async throws {
      try await withLab(sites: [.symmetric, .portRestricted]) { lab in
        let (acceptor, inviter) = try await pair(in: lab)
        try await inviter.host.withProcess("plexus", arguments: inviter.inviting(acceptor)) { abandoned in
          try await abandoned.waitForLine(containing: "Public address")
          // Until it has been put, which takes milliseconds.
          try await Task.sleep(for: .seconds(1))
          abandoned.send(signal: 2)
          _ = try await abandoned.waitForExit()
        }
        try await acceptor.withAcceptor { running in
          try await running.waitForLine(containing: "invites from")
          let start = ContinuousClock.now
          try await inviter.invites(acceptor)
          // The search for the one who is gone takes a minute.
          #expect(.now - start < .seconds(30))
          try await expectMatchingPassages(acceptor, inviter)
        }
      }
    }

    @Test func twoNATsThatCountArePassed() async throws {
      try await expectPassage(between: [.symmetricSequential, .symmetricSequential])
    }

    @Test(arguments: [Lab.Site.portRestricted, .doubled])
    func twoLayersAreNoMatter(_ other: Lab.Site) async throws { try await expectPassage(between: [.doubled, other]) }

    @Test(arguments: [true, false])
    func anUplinkThatIsDeadThoughPreferredIsPassedBy(_ isInviter: Bool) async throws {
      try await withLab(sites: [.portRestricted, .portRestricted, .portRestricted]) { lab in
        let address = try await lab.addUplink(to: 1, ofHost: 0)
        try await lab.nat(0).dropDatagrams(percent: 100)
        let roaming = try await PlexusPeer("roaming", on: lab.host(0), in: lab)
        let other = try await PlexusPeer("other", on: lab.host(2), in: lab)
        try roaming.befriend(other)
        let (acceptor, inviter) = isInviter ? (other, roaming) : (roaming, other)
        try await acceptor.withAcceptor { _ in
          let start = ContinuousClock.now
          try await inviter.invites(acceptor)
          #expect(.now - start < .seconds(10))
          try await expectMatchingPassages(acceptor, inviter)
        }
        let passage = try #require(roaming.passages.first)
        #expect(passage.inner.address.description == address)
        #expect(passage.outer.address.description == lab.nat(1).publicAddress)
      }
    }

    @Test func anUplinkThatGoesWhileTheDHTIsJoinedThroughItIsPassedBy() async throws {
      try await withLab(sites: [.portRestricted, .portRestricted, .portRestricted]) { lab in
        let address = try await lab.addUplink(to: 1, ofHost: 0)
        try await lab.nat(0).dropDatagrams(percent: 100)
        let roaming = try await PlexusPeer("roaming", on: lab.host(0), in: lab)
        let inviter = try await PlexusPeer("inviter", on: lab.host(2), in: lab)
        try roaming.befriend(inviter)
        try await roaming.withAcceptor { acceptor in
          try await inviter.invites(roaming)
          try await lab.nat(0).dropDatagrams(percent: 0)
          let unplugged = try await lab.host(0).run("ip", "address", "del", "\(address)/24", "dev", "eth1")
          try #require(unplugged.exit == .exited(0), "\(unplugged.errors)")
          try await acceptor.waitForLine(containing: "joined from another local address", deadline: .seconds(60))
          try await inviter.invites(roaming)
          _ = try await roaming.waitForPassages(2, with: inviter)
          try await expectMatchingPassages(roaming, inviter)
        }
      }
    }

    @Test func subscribersOfOneProviderMeetWhereItHairpins() async throws {
      let (acceptor, inviter) = try await expectPassage(
        between: [.subscriber(hairpins: true), .subscriber(hairpins: true)])
      #expect(inviter.peer.address == acceptor.outer.address)
    }

    @Test func subscribersOfOneProviderThatDoesNotHairpinAreToldSo() async throws {
      try await withLab(sites: [.subscriber(hairpins: false), .subscriber(hairpins: false)]) { lab in
        let (acceptor, inviter) = try await pair(in: lab)
        try await acceptor.withAcceptor { running in
          let result = try await inviter.host.run(
            "plexus", arguments: inviter.inviting(acceptor), deadline: .seconds(60))
          #expect(result.exit == .exited(69))
          #expect(result.errors.contains("behind the same NAT"), "\(result.errors)")
          try await running.waitForLine(containing: "behind the same NAT")
        }
      }
    }

    @Test(arguments: [Lab.NATKind.portRestricted, .symmetric])
    func twoHostsBehindOneNATMeetWithinTheirNetwork(_ nat: Lab.NATKind) async throws {
      let (acceptor, inviter) = try await expectPassage(between: [Lab.Site(nat: nat, hosts: 2)])
      #expect(inviter.peer.address.description == acceptor.outer.address.description)
      #expect(inviter.peer.address.description.hasPrefix("198.18.0."))
    }

    @Test func iPv6WinsOverNATs() async throws {
      let (_, inviter) = try await expectPassage(between: [.portRestricted, .portRestricted], ipv6: true)
      #expect(inviter.peer.address.family == .v6)
    }

    @Test func whereNoServerTellsAnIPv4AddressIPv6Does() async throws {
      try await withLab(sites: [.portRestricted, .portRestricted], ipv6: true) { lab in
        let (acceptor, inviter) = try await pair(in: lab, stunServers: [lab.stunServerV6])
        try await acceptor.withAcceptor { _ in
          try await inviter.invites(acceptor)
          try await expectMatchingPassages(acceptor, inviter)
        }
        #expect(inviter.passages.first?.peer.address.family == .v6)
      }
    }

    @Test(arguments: [[Lab.Site.ipv6Only, .ipv6Only], [.ipv6Only, .symmetric], [.doubled, .ipv6Only]])
    func aNetworkWithoutIPv4IsEnough(_ sites: [Lab.Site]) async throws {
      let (acceptor, inviter) = try await expectPassage(between: sites)
      #expect(acceptor.peer.address.family == .v6 && inviter.peer.address.family == .v6)
    }

    @Test func withoutACommonFamilyThereIsOneSentenceAtOnce() async throws {
      var old = Lab.Site.portRestricted
      old.families = .ipv4Only
      try await withLab(sites: [.ipv6Only, old]) { lab in
        let (acceptor, inviter) = try await pair(in: lab)
        try await acceptor.withAcceptor { running in
          let start = ContinuousClock.now
          let result = try await inviter.host.run("plexus", arguments: inviter.inviting(acceptor))
          #expect(result.exit == .exited(69))
          #expect(result.errors.contains("no addresses of the same family"), "\(result.errors)")
          #expect(.now - start < .seconds(10))
          try await running.waitForLine(containing: "no addresses of the same family")
        }
      }
    }

    @Test func twoNATsWithoutARuleAreNamed() async throws {
      try await withLab(sites: [.symmetric, .symmetric]) { lab in
        let (acceptor, inviter) = try await pair(in: lab)
        try await acceptor.withAcceptor { running in
          try await running.waitForLine(containing: "symmetric")
          let result = try await inviter.host.run(
            "plexus", arguments: inviter.inviting(acceptor), deadline: .seconds(60))
          #expect(result.exit == .exited(69))
          #expect(result.errors.contains("both NATs are symmetric"), "\(result.errors)")
        }
      }
    }

    @discardableResult
    private func expectPassage(
      between sites: [Lab.Site], ipv6: Bool = false
    ) async throws -> (acceptor: PassageRecord, inviter: PassageRecord) {
      try await withLab(sites: sites, ipv6: ipv6) { lab in
        let (acceptor, inviter) = try await pair(in: lab)
        try await acceptor.withAcceptor { _ in
          try await inviter.invites(acceptor)
          try await expectMatchingPassages(acceptor, inviter)
        }
        return (try #require(acceptor.passages.last), try #require(inviter.passages.last))
      }
    }

    private func pair(
      in lab: Lab, stunServers: [String]? = nil
    ) async throws -> (acceptor: PlexusPeer, inviter: PlexusPeer) {
      let acceptor = try await PlexusPeer("acceptor", on: lab.host(0), in: lab, stunServers: stunServers)
      let inviter = try await PlexusPeer("inviter", on: lab.host(1), in: lab, stunServers: stunServers)
      try acceptor.befriend(inviter)
      return (acceptor, inviter)
    }
  }
}
