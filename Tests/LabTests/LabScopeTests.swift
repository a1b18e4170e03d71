import FoundationEssentials
import Glibc
import PlexusTesting
import Testing

extension LabTests {
  /// What a lab promises besides its NATs.
  @Suite(.enabled(if: Lab.isAvailable, "\(Lab.missingSentence)")) struct Scope {
    private struct Trouble: Error {}

    @Test func nothingIsLeftWhenTheBodyReturns() async throws {
      let (namespace, directory, sleeper) = try await withLab(sites: [.portRestricted]) { lab in
        // A program in a session of its own, as payloads are, outlives the one that started it.
        let result = try await lab.host(0).run("sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $!")
        return (lab.host(0).namespace, lab.directory, try #require(Int32(result.output.dropLast())))
      }
      #expect(!FileManager.default.fileExists(atPath: "/run/netns/\(namespace)"))
      #expect(!FileManager.default.fileExists(atPath: directory))
      #expect(!isRunning(sleeper))
    }

    @Test func nothingIsLeftWhenTheBodyThrows() async throws {
      var namespace = ""
      await #expect(throws: Trouble.self) {
        try await withLab(sites: [.portRestricted]) { lab in
          namespace = lab.host(0).namespace
          throw Trouble()
        }
      }
      #expect(!namespace.isEmpty && !FileManager.default.fileExists(atPath: "/run/netns/\(namespace)"))
    }

    @Test func nothingIsLeftWhenTheTaskIsCancelled() async throws {
      let (namespaces, continuation) = AsyncStream.makeStream(of: String.self)
      let task = Task {
        try await withLab(sites: [.portRestricted]) { lab in
          try await lab.host(0).withProcess("sleep", "1000") { _ in
            continuation.yield(lab.host(0).namespace)
            try await Task.sleep(for: .seconds(1000))
          }
        }
      }
      var iterator = namespaces.makeAsyncIterator()
      let namespace = try #require(await iterator.next())
      task.cancel()
      await #expect(throws: (any Error).self) { try await task.value }
      #expect(!FileManager.default.fileExists(atPath: "/run/netns/\(namespace)"))
    }

    @Test(arguments: [SIGINT, SIGKILL]) func nothingIsLeftWhenTheOwnerIsKilled(signal: Int32) async throws {
      try await withLab(sites: [.open]) { lab in
        try await lab.server.withProcess("plexus-lab", "up", "symmetric") { owner in
          try await owner.waitForLine(containing: "Ctrl-C")
          let prefix = "plx\(try #require(owner.processIdentifier))x"
          #expect(try namespaces(with: prefix).count == 4)
          owner.send(signal: signal)
          #expect(try await owner.waitForExit() == .signalled(signal))
          let gone = ContinuousClock.now.advanced(by: .seconds(10))
          while try !namespaces(with: prefix).isEmpty {
            try #require(ContinuousClock.now < gone)
            try await Task.sleep(for: .milliseconds(10))
          }
        }
      }
    }

    @Test func severalLabsDoNotSeeEachOther() async throws {
      try await withLab(sites: [.portRestricted]) { one in
        try await withLab(sites: [.portRestricted]) { other in
          #expect(one.host(0).address == other.host(0).address && one.host(0).namespace != other.host(0).namespace)
          for lab in [one, other] {
            #expect(try await reachesStun(lab.host(0), lab))
          }
        }
      }
    }

    @Test func impossibleSitesAreRefused() async {
      for sites in [[], [Lab.Site(nat: .open, hosts: 0)], [Lab.Site(nat: .fullCone, hosts: 2)]] {
        let error = await #expect(throws: LabError.self) { try await withLab(sites: sites) { _ in } }
        #expect(error?.code == .invalidTopology)
      }
    }

    @Test func plainServersAnswerAndTheDeadOneDoesNot() async throws {
      try await withLab(sites: [.portRestricted]) { lab in
        for server in lab.plainSTUNServers {
          #expect(try await ask(server, from: lab.host(0)) == .exited(0))
        }
        #expect(try await ask(lab.deadServer, from: lab.host(0)) != .exited(0))
      }
    }

    @Test func hostsReachEachOtherByIPv6() async throws {
      try await withLab(sites: [.portRestricted, .symmetric], ipv6: true) { lab in
        let (one, other) = ("[\(try #require(lab.host(0).addressV6))]:5000", "[\(try #require(lab.host(1).addressV6))]:5000")
        try await lab.host(0).withProcess("plexus-lab", "talk", "one", one, other) { talk in
          let answer = try await lab.host(1).run("plexus-lab", "talk", "other", other, one)
          #expect(answer.exit == .exited(0), "\(answer.errors)")
          #expect(try await talk.waitForExit() == .exited(0))
          #expect(talk.output.contains("one hears: hello from other, line 3"))
        }
      }
    }

    @Test func rebootingChangesTheMapping() async throws {
      try await withLab(sites: [.symmetric]) { lab in
        // The same local port both times: a mapping that is remembered gives the same public port.
        let before = try await mapping(of: lab.host(0), lab)
        #expect(try await mapping(of: lab.host(0), lab) == before)
        try await lab.nat(0).reboot()
        #expect(try await mapping(of: lab.host(0), lab) != before)
        let rebooted = try await mapping(of: lab.host(0), lab)
        try await lab.nat(0).flush()
        #expect(try await mapping(of: lab.host(0), lab) != rebooted)
      }
    }

    @Test func datagramsAreDroppedWhileAsked() async throws {
      try await withLab(sites: [.portRestricted]) { lab in
        try await lab.nat(0).dropDatagrams(percent: 100)
        #expect(try await ask(lab.stunServer, from: lab.host(0)) != .exited(0))
        try await lab.nat(0).dropDatagrams(percent: 0)
        #expect(try await ask(lab.stunServer, from: lab.host(0)) == .exited(0))
      }
    }

    private func reachesStun(_ host: Lab.Host, _ lab: Lab) async throws -> Bool {
      try await ask(lab.stunServer, from: host) == .exited(0)
    }

    /// Sends one STUN binding request and waits half a second for any answer.
    private func ask(_ server: String, from host: Lab.Host) async throws -> Lab.ProgramExit {
      let answer = try await stun(server, from: host, options: "")
      return answer.output.isEmpty ? .exited(1) : answer.exit
    }

    /// The XOR-MAPPED-ADDRESS of a fixed local port, in hexadecimal.
    private func mapping(of host: Lab.Host, _ lab: Lab) async throws -> Substring {
      try await stun(lab.stunServer, from: host, options: ",bind=:6000").output.prefix(88)
    }

    private func stun(_ server: String, from host: Lab.Host, options: String) async throws -> Lab.ProgramResult {
      try await host.run(
        "sh", "-c",
        #"printf '\000\001\000\000\041\022\244\102abcdefghijkl' | socat -t 0.5 - "UDP4:$0" | od -An -v -tx1"#, server + options)
    }

    private func isRunning(_ process: Int32) -> Bool {
      guard let status = FileManager.default.contents(atPath: "/proc/\(process)/stat") else { return false }
      return !String(decoding: status, as: UTF8.self).contains(") Z ")
    }

    private func namespaces(with prefix: String) throws -> [String] {
      try FileManager.default.contentsOfDirectory(atPath: "/run/netns").filter { $0.hasPrefix(prefix) }
    }
  }
}
