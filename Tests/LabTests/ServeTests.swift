import Glibc
import PlexusTesting
import Testing

extension LabTests {
  /// `plexus serve` as the only server of the public side, asked by other people's clients and by our own.
  @Suite(.serialized, .enabled(if: Lab.isAvailable, "\(Lab.missingSentence)")) struct Serve {
    @Test func coturnsClientSeesEveryKindOfMapping() async throws {
      try await behindEveryNAT { lab, index, kind in
        let result = try await lab.host(index).run("turnutils_natdiscovery", "-m", lab.serverAddresses[0])
        let address = kind == .open ? lab.host(index).address : lab.nat(index).publicAddress
        #expect(result.output.contains("UDP reflexive addr: \(address):"), "\(kind): \(result.output)")
        let mapping = kind == .symmetric ? "Address and Port Dependent" : "Endpoint Independent"
        #expect(result.output.contains("NAT with \(mapping) Mapping!"), "\(kind): \(result.output)")
      }
    }

    @Test func coturnsClientSeesEveryKindOfFilter() async throws {
      try await behindEveryNAT { lab, index, kind in
        let result = try await lab.host(index).run("turnutils_natdiscovery", "-f", lab.serverAddresses[0])
        let filtering =
          switch kind {
          case .open, .fullCone: "Endpoint Independent"
          case .addressRestricted: "Address Dependent"
          case .portRestricted, .symmetric: "Address and Port Dependent"
          }
        #expect(result.output.contains("NAT with \(filtering) Filtering!"), "\(kind): \(result.output)")
      }
    }

    @Test func coturnsPlainClientSeesItsAddress() async throws {
      try await behindEveryNAT { lab, index, kind in
        let address = kind == .open ? lab.host(index).address : lab.nat(index).publicAddress
        // What it asks next is filtered by most NATs, and it waits for that for ever.
        try await lab.host(index).withProcess("turnutils_stunclient", lab.serverAddresses[0]) { client in
          try await client.waitForLine(containing: "UDP reflexive addr: \(address):")
        }
      }
    }

    @Test(.enabled(if: Lab.findProgram("stun") != nil, "There is no program stun; install the package stun-client."))
    func theClientOfRFC3489SeesEveryKind() async throws {
      try await behindEveryNAT { lab, index, kind in
        let result = try await lab.host(index).run("stun", lab.serverAddresses[0])
        let verdict =
          switch kind {
          case .open: "Primary: Open"
          case .fullCone: "Primary: Independent Mapping, Independent Filter"
          case .addressRestricted: "Primary: Independent Mapping, Address Dependent Filter"
          case .portRestricted: "Primary: Independent Mapping, Port Dependent Filter"
          case .symmetric: "Primary: Dependent Mapping"
          }
        #expect(result.output.contains(verdict), "\(kind): \(result.output)")
      }
    }

    @Test func ourOwnClientSeesEveryKindOfFilter() async throws {
      try await behindEveryNAT { lab, index, kind in
        let result = try await lab.host(index).run("plexus", "explore", "--stun-server", lab.serverAddresses[0])
        let filtering =
          switch kind {
          case .open, .fullCone: "endpoint-independent"
          case .addressRestricted: "address-dependent"
          case .portRestricted, .symmetric: "address- and port-dependent"
          }
        let line = result.output.split(separator: "\n").first { $0.hasPrefix("filtering ") }
        #expect(line?.hasSuffix("  \(filtering)") == true, "\(kind): \(result.output)\(result.errors)")
      }
    }

    @Test func twoPeersNeedNobodyElse() async throws {
      // The peers take the options that the server prints: the addresses are those of a lab's own servers.
      try await withLab(sites: [.portRestricted, .portRestricted], servers: false) { lab in
        try await serve(in: lab) { server in
          #expect(server.output.contains("--stun-server \(lab.serverAddresses[0]),\(lab.serverAddresses[1])"))
          let acceptor = try await PlexusPeer("acceptor", on: lab.host(0), in: lab)
          let inviter = try await PlexusPeer("inviter", on: lab.host(1), in: lab)
          try acceptor.befriend(inviter)
          try await acceptor.withAcceptor(of: inviter) { _ in
            try await inviter.invites(acceptor)
            try await expectMatchingPassages(acceptor, inviter)
          }
        }
      }
    }

    @Test func itServesEveryAddressOfTheMachineUnlessToldOtherwise() async throws {
      try await withLab(sites: [.portRestricted], servers: false, ipv6: true) { lab in
        try await lab.server.withProcess("plexus", "serve") { server in
          try await server.waitForLine(containing: "DHT node on")
          for address in lab.serverAddresses {
            #expect(server.errors.contains(address))
          }
        }
      }
    }

    @Test(arguments: [SIGINT, SIGTERM]) func itEndsWhenAsked(signal: Int32) async throws {
      try await withLab(sites: [.open], servers: false) { lab in
        try await serve(in: lab) { server in
          server.send(signal: signal)
          // Far more than it takes.
          let exit = try await server.waitForExit(deadline: .seconds(4))
          #expect(exit == .exited(0), "\(server.errors)")
          #expect(server.errors.contains("STUN in all: 0 answered"))
        }
        #expect(lab.server.processIdentifiers.isEmpty)
      }
    }

    private func serve(
      in lab: Lab, isolation: isolated (any Actor)? = #isolation, _ body: (Lab.RunningProgram) async throws -> Void
    ) async throws {
      let addresses = lab.serverAddresses.flatMap { ["--address", $0] }
      try await lab.server.withProcess("plexus", arguments: ["serve"] + addresses) { server in
        // It is bound before it says so.
        try await server.waitForLine(containing: "--dht-bootstrap")
        try await body(server)
      }
    }

    /// Runs `body` for all kinds at once, because the clients wait out what is not answered.
    private func behindEveryNAT(_ body: @Sendable @escaping (Lab, Int, Lab.NATKind) async throws -> Void) async throws {
      let kinds = Lab.NATKind.allCases
      try await withLab(sites: kinds.map { Lab.Site(nat: $0) }, servers: false) { lab in
        try await serve(in: lab) { _ in
          try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, kind) in kinds.enumerated() { group.addTask { try await body(lab, index, kind) } }
            try await group.waitForAll()
          }
        }
      }
    }
  }
}
