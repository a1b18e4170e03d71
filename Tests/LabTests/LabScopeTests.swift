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
          let held = try namespaces(with: prefix)
          // The public segment, the servers, a router and a host.
          #expect(held.count == 4)
          owner.send(signal: signal)
          let exit = try await owner.waitForExit()
          #expect(exit == .signalled(signal))
          let gone = ContinuousClock.now.advanced(by: .seconds(10))
          while try !namespaces(with: prefix).isEmpty {
            try #require(ContinuousClock.now < gone)
            try await Task.sleep(for: .milliseconds(10))
          }
        }
      }
    }

    @Test func whatADeadOwnerLeftIsSweptByTheNextLab() async throws {
      let stale = try await withLab(sites: [.open]) { lab in
        // The process of this shell is over, so what is named after it has no owner.
        "/run/netns/plx\(try await lab.host(0).run("sh", "-c", "echo $$").output.dropLast())x0-net"
      }
      try #require(FileManager.default.createFile(atPath: stale, contents: nil))
      try await withLab(sites: [.open]) { _ in }
      #expect(!FileManager.default.fileExists(atPath: stale))
    }

    @Test func severalLabsDoNotSeeEachOther() async throws {
      try await withLab(sites: [.portRestricted]) { one in
        try await withLab(sites: [.portRestricted]) { other in
          #expect(one.host(0).address == other.host(0).address && one.host(0).namespace != other.host(0).namespace)
          for lab in [one, other] {
            let answered = try await isAnswered(by: lab.stunServer, lab.host(0))
            #expect(answered)
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
          let answered = try await isAnswered(by: server, lab.host(0))
          #expect(answered)
        }
        let answered = try await isAnswered(by: lab.deadServer, lab.host(0))
        #expect(!answered)
      }
    }

    @Test func hostsReachEachOtherByIPv6() async throws {
      try await withLab(sites: [.portRestricted, .symmetric], ipv6: true) { lab in
        let (one, other) = (
          "[\(try #require(lab.host(0).addressV6))]:5000", "[\(try #require(lab.host(1).addressV6))]:5000"
        )
        try await lab.host(0).withProcess("plexus-lab", "talk", "one", one, other) { talk in
          let answer = try await lab.host(1).run("plexus-lab", "talk", "other", other, one)
          #expect(answer.exit == .exited(0), "\(answer.errors)")
          let exit = try await talk.waitForExit()
          #expect(exit == .exited(0))
          #expect(talk.output.contains("one hears: hello from other, line 3"))
        }
      }
    }

    @Test func rebootingChangesTheMapping() async throws {
      try await withLab(sites: [.symmetric]) { lab in
        try await lab.host(0).withProcess("bash", "-c", watchMapping, stunDevice(lab.stunServer)) { watch in
          try await watch.waitForLine(containing: "asked 5")
          #expect(watch.output.split(separator: "\n").filter { $0.contains("mapping") }.count == 1)
          try await lab.nat(0).reboot()
          try await watch.waitForLine(containing: "mapping", count: 2)
          try await lab.nat(0).flush()
          try await watch.waitForLine(containing: "mapping", count: 3)
        }
      }
    }

    @Test func datagramsAreDroppedWhileAsked() async throws {
      try await withLab(sites: [.portRestricted]) { lab in
        try await lab.nat(0).dropDatagrams(percent: 100)
        let answeredMeanwhile = try await isAnswered(by: lab.stunServer, lab.host(0))
        #expect(!answeredMeanwhile)
        try await lab.nat(0).dropDatagrams(percent: 0)
        let answeredAfterwards = try await isAnswered(by: lab.stunServer, lab.host(0))
        #expect(answeredAfterwards)
      }
    }

    /// Sends one STUN binding request and waits half a second for any answer.
    private func isAnswered(by server: String, _ host: Lab.Host) async throws -> Bool {
      let result = try await host.run(
        "bash", "-c", #"exec 3<>"$0"; \#(bindingRequest) >&3; timeout 0.5 head -c 20 <&3"#, stunDevice(server))
      return !result.output.isEmpty
    }

    /// Asks again and again from one socket, and says when the XOR-MAPPED-ADDRESS (bytes 20 to 31 of coturn's answer) changes.
    private var watchMapping: String {
      #"""
      exec 3<>"$0"
      last=
      for ((asked = 1; ; asked++)); do
        \#(bindingRequest) >&3
        mapping=$(timeout 0.3 head -c 32 <&3 | od -An -j 20 -t x1)
        [ -z "$mapping" ] || [ "$mapping" = "$last" ] || echo "mapping $mapping"
        last=${mapping:-$last}
        echo "asked $asked"
        sleep 0.02
      done
      """#
    }

    private var bindingRequest: String { #"printf '\000\001\000\000\041\022\244\102abcdefghijkl'"# }

    /// Bash's own UDP sockets need no program that a minimal Debian lacks.
    private func stunDevice(_ server: String) -> String {
      "/dev/udp/" + server.split(separator: ":").joined(separator: "/")
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
