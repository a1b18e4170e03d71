import ArgumentParser
import LibC
import PlexusTesting

/// Two hosts behind two port-restricted NATs find each other and talk.
struct DemoCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo", abstract: "Show two hosts behind two NATs connect and talk.")

  @Option(help: "What alice, who invites, is behind.")
  var alice = Lab.NATKind.portRestricted

  @Option(help: "What bob, who accepts, is behind.")
  var bob = Lab.NATKind.portRestricted

  func run() async throws {
    try requireLab()
    say("Building a small internet of network namespaces: a public side with STUN servers and a DHT node, and")
    say("two sites, each a host behind a Linux NAT: bob's is \(bob), alice's is \(alice).")
    try await withLab(sites: [Lab.Site(nat: bob), Lab.Site(nat: alice)]) { lab in
      for (index, name) in ["bob", "alice"].enumerated() {
        say("  \(name): host \(lab.host(index).address), seen from outside as \(lab.nat(index).publicAddress)")
      }
      say("Making an identity for each, and giving each the other's certificate.")
      let bob = try await PlexusPeer("bob", on: lab.host(0), in: lab)
      let alice = try await PlexusPeer("alice", on: lab.host(1), in: lab)
      try bob.befriend(alice)
      try await connect(alice, to: bob)
    }
    say("Done; the namespaces are gone.")
  }

  private func connect(_ alice: PlexusPeer, to bob: PlexusPeer) async throws {
    let accepting = bob.accepting(alice, payload: payload(of: "bob"))
    let inviting = alice.inviting(bob, payload: payload(of: "alice"))
    say("bob accepts:", command: accepting)
    try await bob.host.withProcess("plexus", arguments: accepting + log(of: bob)) { acceptor in
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await acceptor.forEachErrorLine { say("  bob   | \($0)") } }
        try await acceptor.waitForLine(containing: PlexusPeer.acceptingLine)
        say("alice invites:", command: inviting)
        let start = ContinuousClock.now
        try await alice.host.withProcess("plexus", arguments: inviting + log(of: alice)) { inviter in
          await inviter.forEachErrorLine { say("  alice | \($0)") }
          guard try await inviter.waitForExit() == .exited(0) else { throw LabToolError("alice did not reach bob") }
        }
        let milliseconds = Int(start.duration(to: .now) / .milliseconds(1))
        say("Connected in \(milliseconds) ms. Now the two payloads talk, straight from NAT to NAT:")
        for peer in [bob, alice] {
          try await showConversation(of: peer)
        }
        group.cancelAll()
      }
    }
  }

  private func payload(of name: String) -> (command: String, arguments: String) {
    ("\(Lab.binaryDirectory)/plexus-lab", "talk \(name) %inner% %alien%")
  }

  private func log(of peer: PlexusPeer) -> [String] { ["--exec-log", peer.conversation] }

  /// Waits for the payload's lines, which it writes to its log, because it runs apart from `plexus`.
  private func showConversation(of peer: PlexusPeer) async throws {
    try await peer.host.withProcess("tail", "-n", "+1", "-F", peer.conversation) { tail in
      try await tail.waitForLine(containing: "line 3")
      tail.output.split(separator: "\n").forEach { say("  \($0)") }
    }
  }

  private func say(_ text: String, command: [String]? = nil) {
    print(text)
    if let command {
      print("  $ plexus " + command.map { $0.contains(" ") ? "\"\($0)\"" : $0 }.joined(separator: " "))
    }
    // Each step is to be seen when it happens, also through a pipe.
    fflush(nil)
  }
}

extension PlexusPeer {
  fileprivate var conversation: String { "\(host.directory)/conversation" }
}
