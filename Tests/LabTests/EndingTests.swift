import Glibc
import PlexusTesting
import Testing

extension LabTests {
  /// How `plexus` ends when it is told to.
  @Suite(.serialized, .enabled(if: Lab.isAvailable, "\(Lab.missingSentence)")) struct Ending {
    // Far more than it takes, far less than any of its own waits.
    static let atOnce = Duration.seconds(4)

    @Test(arguments: [SIGINT, SIGTERM]) func anAcceptorEndsWhenAsked(signal: Int32) async throws {
      try await withPair { _, acceptor, _ in
        try await acceptor.withAcceptor { running in
          running.send(signal: signal)
          let exit = try await running.waitForExit(deadline: Self.atOnce)
          #expect(exit == .exited(0), "\(running.errors)")
        }
        #expect(await isDeserted(acceptor.host))
      }
    }

    @Test(arguments: [SIGINT, SIGTERM]) func anInviterEndsWhenAsked(signal: Int32) async throws {
      try await withPair { _, acceptor, inviter in
        // Nobody accepts, so it waits for an answer.
        try await inviter.host.withProcess("plexus", arguments: inviter.inviting(acceptor)) { running in
          try await running.waitForLine(containing: PlexusPeer.acceptingLine)
          running.send(signal: signal)
          let exit = try await running.waitForExit(deadline: Self.atOnce)
          #expect(exit != .exited(0) && exit != .signalled(signal), "\(running.errors)")
        }
        #expect(await isDeserted(inviter.host))
      }
    }

    @Test func aPayloadOutlivesItsPlexus() async throws {
      try await withPair { _, acceptor, inviter in
        let sleep = (command: "/bin/sleep", arguments: "1000")
        try await acceptor.host.withProcess("plexus", arguments: acceptor.accepting(payload: sleep)) { running in
          try await running.waitForLine(containing: PlexusPeer.acceptingLine)
          let result = try await inviter.host.run("plexus", arguments: inviter.inviting(acceptor, payload: sleep))
          #expect(result.exit == .exited(0), "\(result.errors)")
          try await running.waitForLine(containing: "Started /bin/sleep")
          running.send(signal: SIGINT)
          try await running.waitForExit(deadline: Self.atOnce)
        }
        for peer in [acceptor, inviter] {
          #expect(peer.host.processIdentifiers.count == 1)
        }
      }
    }

    /// Whether no process is left. The system may show one for a moment after it has told its parent of the end.
    private func isDeserted(_ host: Lab.Host) async -> Bool {
      for _ in 0..<100 where !host.processIdentifiers.isEmpty { try? await Task.sleep(for: .milliseconds(20)) }
      return host.processIdentifiers.isEmpty
    }
  }
}
