import Glibc
import PlexusTesting
import Testing

extension LabTests {
  /// A router that forwards ports on request: a real miniupnpd.
  @Suite(.serialized, .enabled(if: Lab.canMapPorts, "\(Lab.missingSentence) And port mapping needs miniupnpd."))
  struct PortMapping {
    @Test(arguments: Lab.MappingProtocol.allCases)
    func twoNATsWithoutARuleArePassedWhereOneRouterForwards(_ mappingProtocol: Lab.MappingProtocol) async throws {
      try await withLab(sites: [.symmetric, .symmetric]) { lab in
        try await lab.withPortMapping(on: 0, by: [mappingProtocol]) { router in
          let (acceptor, inviter) = try await pair(in: lab)
          let payload = (command: "/bin/sleep", arguments: "3")
          try await acceptor.host.withProcess("plexus", arguments: acceptor.accepting(payload: payload)) { running in
            try await running.waitForLine(containing: PlexusPeer.acceptingLine)
            let result = try await inviter.host.run(
              "plexus", arguments: inviter.inviting(acceptor), deadline: .seconds(60))
            #expect(result.exit == .exited(0), "\(result.errors)")
            #expect(result.errors.contains("through a forwarded port"), "\(result.errors)")
            // The program has the port now, and keeps it forwarded.
            try await running.waitForLine(containing: "Started /bin/sleep")
            #expect(try await router.forwardedPorts().count == 1)
            try await running.waitForLine(containing: "ended with status 0")
            try await router.waitForForwardedPorts(0)
          }
        }
      }
    }

    @Test func anInviterMayHaveTheForwardingRouter() async throws {
      try await withLab(sites: [.symmetric, .symmetric]) { lab in
        try await lab.withPortMapping(on: 1, by: Set(Lab.MappingProtocol.allCases)) { router in
          let (acceptor, inviter) = try await pair(in: lab)
          try await acceptor.withAcceptor { _ in
            try await inviter.invites(acceptor)
            try await expectMatchingPassages(acceptor, inviter)
          }
          // Its payload may go on after it, so this is left to its lifetime.
          #expect(try await router.forwardedPorts().count == 1)
        }
      }
    }

    @Test(arguments: Lab.MappingProtocol.allCases)
    func aStreamsPortIsForwardedUntilTheEnd(_ mappingProtocol: Lab.MappingProtocol) async throws {
      try await withLab(sites: [.portRestricted, .portRestricted]) { lab in
        try await lab.withPortMapping(on: 0, by: [mappingProtocol], longestLifetime: 4) { router in
          let (acceptor, inviter) = try await pair(in: lab)
          let exporting = acceptor.serving(["--accept", "--export", "127.0.0.1:9", "--log-level", "debug"])
          try await acceptor.host.withProcess("plexus", arguments: exporting) { running in
            try await running.waitForLine(containing: PlexusPeer.acceptingLine)
            let importing = inviter.serving(["--peer-info", acceptor.identity, "--import", "127.0.0.1:2200"])
            try await inviter.host.withProcess("plexus", arguments: importing) { other in
              try await other.waitForLine(containing: "The tunnel to")
              try await running.waitForLine(containing: "The tunnel to")
              let ports = try await router.waitForForwardedPorts(1)
              if mappingProtocol == .pcp {
                // One to be found, two for the look at the network, one for the port; three renewals, each after half of four seconds, are more than a
                // lifetime.
                try await router.daemon.waitForLine(
                  containing: "PCP request received", count: 7, deadline: .seconds(30))
                #expect(try await router.forwardedPorts() == ports)
              }
            }
            running.send(signal: SIGTERM)
            #expect(try await running.waitForExit(deadline: .seconds(4)) == .exited(0))
          }
          #expect(try await router.forwardedPorts().isEmpty)
        }
      }
    }

    @Test(arguments: [SIGINT, SIGTERM]) func anInviterThatIsEndedLeavesNothingBehind(_ signal: Int32) async throws {
      try await withLab(sites: [.portRestricted, .portRestricted]) { lab in
        try await lab.withPortMapping(on: 1, by: [.upnp]) { router in
          let (acceptor, inviter) = try await pair(in: lab)
          // Nobody accepts, so it waits.
          try await inviter.host.withProcess("plexus", arguments: inviter.inviting(acceptor)) { running in
            try await router.waitForForwardedPorts(1)
            running.send(signal: signal)
            try await running.waitForExit(deadline: .seconds(4))
          }
          #expect(try await router.forwardedPorts().isEmpty)
        }
      }
    }

    @Test func aRouterBehindANATOnlyTellsAnAddressMore() async throws {
      try await withLab(sites: [.doubled, .portRestricted]) { lab in
        try await lab.withPortMapping(on: 0, by: [.pcp]) { _ in
          let (acceptor, inviter) = try await pair(in: lab)
          try await acceptor.withAcceptor { running in
            try await inviter.invites(acceptor)
            try await expectMatchingPassages(acceptor, inviter)
            try await running.waitForLine(containing: "forwards 100.64.0.2:")
          }
          #expect(acceptor.passages.last?.outer.address.description == "203.0.113.10")
        }
      }
    }

    @Test func nobodyIsAskedWhereThatIsNotWanted() async throws {
      try await withLab(sites: [.portRestricted, .portRestricted]) { lab in
        try await lab.withPortMapping(on: 0, by: Set(Lab.MappingProtocol.allCases)) { router in
          let (acceptor, inviter) = try await pair(in: lab)
          try await acceptor.withAcceptor(options: ["--no-port-mapping"]) { running in
            try await inviter.invites(acceptor)
            try await expectMatchingPassages(acceptor, inviter)
            #expect(!running.errors.contains("forward"), "\(running.errors)")
          }
          #expect(!router.daemon.errors.contains("PCP") || !router.daemon.errors.contains("198.18.0.10"))
        }
      }
    }

    private func pair(in lab: Lab) async throws -> (acceptor: PlexusPeer, inviter: PlexusPeer) {
      let acceptor = try await PlexusPeer("acceptor", on: lab.host(0), in: lab)
      let inviter = try await PlexusPeer("inviter", on: lab.host(1), in: lab)
      try acceptor.befriend(inviter)
      return (acceptor, inviter)
    }
  }
}
