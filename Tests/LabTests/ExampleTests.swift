import FoundationEssentials
import PlexusTesting
import Testing

extension LabTests {
  /// The programs of examples/ between two NATs, driven as a user would.
  @Suite(.serialized, .enabled(if: Lab.isAvailable && Users.areReady, "\(Users.missingSentence)"))
  struct LibraryExamples {
    @Test func peopleChat() async throws {
      try await withLab(sites: [Lab.Site(nat: .portRestricted), Lab.Site(nat: .portRestricted, hosts: 2)]) { lab in
        let bob = try await PlexusPeer("bob", on: lab.host(0), in: lab)
        let (alice, carol) = (
          try await PlexusPeer("alice", on: lab.host(1), in: lab),
          try await PlexusPeer("carol", on: lab.host(2), in: lab)
        )
        try bob.befriend(alice)
        try bob.befriend(carol)
        try await bob.types(into: "chat", bob.common) { host in
          try await host.program.waitForLine(containing: "Waiting for peers")
          try await alice.types(into: "chat", alice.common + [bob.identity]) { first in
            try await carol.types(into: "chat", carol.common + [bob.identity]) { second in
              try await host.program.waitForLine(containing: "is here", count: 2, deadline: .seconds(60))
              try await first.type("hello from alice")
              try await host.program.waitForLine(containing: "\(alice.identity): hello from alice")
              try await second.type("hello \u{1B}[31mfrom carol")
              try await host.program.waitForLine(containing: "\(carol.identity): hello [31mfrom carol")
              try await host.type("hello both")
              try await first.program.waitForLine(containing: "\(bob.identity): hello both")
              try await second.program.waitForLine(containing: "\(bob.identity): hello both")
              // Ctrl-C here, the end of the input there.
              second.program.send(signal: 2)
              try await second.program.waitForExit()
              try await host.program.waitForLine(containing: "\(carol.identity) has gone")
              try await first.type("goodbye")
              try await first.endInput()
              #expect(try await first.program.waitForExit() == .exited(0))
              try await host.program.waitForLine(containing: "\(alice.identity): goodbye")
              try await host.program.waitForLine(containing: "\(alice.identity) has gone")
            }
          }
          host.program.send(signal: 15)
          #expect(try await host.program.waitForExit() == .exited(0))
        }
      }
    }

    @Test func filesAreCopied() async throws {
      try await withPair { _, receiver, sender in
        let (there, here) = ("\(receiver.host.directory)/there", sender.host.directory)
        let made = try await sender.host.run(
          "sh", "-ec", "mkdir \(there); cd \(here); head -c 20000000 /dev/urandom >large; : >empty; echo x >'two words'"
        )
        #expect(made.exit == .exited(0), "\(made.errors)")
        try await receiver.host.withProcess("filecopy", arguments: ["receive"] + receiver.common + [there]) { program in
          try await program.waitForLine(containing: "Waiting for files")
          let files = ["large", "empty", "two words"]
          let sent = try await sender.host.run(
            "filecopy", arguments: ["send"] + sender.common + [receiver.identity] + files, deadline: .seconds(90))
          #expect(sent.exit == .exited(0), "\(sent.errors)")
          #expect(sent.output.contains("large: 100 %"))
          for file in files {
            let compared = try await sender.host.run("cmp", "\(here)/\(file)", "\(there)/\(file)")
            #expect(compared.exit == .exited(0), "\(compared.output)\(compared.errors)")
          }
          // What is there is not replaced, and what is refused is told in one line.
          let again = try await sender.host.run(
            "filecopy", arguments: ["send"] + sender.common + [receiver.identity, "empty"], deadline: .seconds(90))
          #expect(again.exit != .exited(0))
          #expect(again.errors.contains("there is a file of this name already"), "\(again.errors)")
          #expect(try FileManager.default.contentsOfDirectory(atPath: there).sorted() == files.sorted())
          program.send(signal: 15)
          #expect(try await program.waitForExit() == .exited(0))
        }
      }
    }

    @Test func pagesAreServedFromBehindANAT() async throws {
      try await withPair { _, server, client in
        let folder = "\(server.host.directory)/www"
        let made = try await server.host.run(
          "sh", "-ec",
          """
          mkdir \(folder); cd \(folder); echo '<p>hello</p>' >index.html; head -c 3000000 /dev/urandom >file
          echo secret >../secret; ln -s ../secret link
          """)
        #expect(made.exit == .exited(0), "\(made.errors)")
        try await server.host.withProcess("webserver", arguments: ["serve"] + server.common + [folder]) { program in
          try await program.waitForLine(containing: "Waiting for clients")
          let page = try await client.host.run(
            "webserver", arguments: ["get"] + client.common + [server.identity, "/"], deadline: .seconds(60))
          #expect(page.exit == .exited(0) && page.output == "<p>hello</p>\n", "\(page.errors)")
          for outside in ["/../secret", "/link", "/%2e%2e/secret", "/nothing"] {
            let refused = try await client.host.run(
              "webserver", arguments: ["get"] + client.common + [server.identity, outside], deadline: .seconds(60))
            #expect(refused.exit != .exited(0) && refused.errors.contains("404"), "\(outside): \(refused.errors)")
            #expect(!refused.output.contains("secret"))
          }
          try await client.host.withProcess(
            "webserver", arguments: ["open"] + client.common + [server.identity, "--port", "8080"]
          ) { port in
            try await port.waitForLine(containing: "leads to")
            // Three connections at once; without the second option curl 7.88 may wait for ever to use one of them again.
            let fetched = try await client.host.run(
              "curl", "-sS", "--fail", "--parallel", "--parallel-immediate", "-o", "one", "http://127.0.0.1:8080/file",
              "-o", "two",
              "http://127.0.0.1:8080/file", "-o", "index", "http://127.0.0.1:8080/", deadline: .seconds(90))
            #expect(fetched.exit == .exited(0), "\(fetched.errors)")
            for copy in ["one", "two"] {
              let compared = try await client.host.run("cmp", "\(folder)/file", "\(client.host.directory)/\(copy)")
              #expect(compared.exit == .exited(0), "\(compared.output)\(compared.errors)")
            }
            port.send(signal: 2)
            #expect(try await port.waitForExit() == .exited(0))
          }
        }
      }
    }
  }
}

/// The programs of those who use the examples.
private enum Users {
  static let areReady = missing.isEmpty
  static let missingSentence =
    missing.isEmpty ? Lab.missingSentence : "these tests need \(missing) (packages curl, diffutils)"
  private static let missing = ["curl", "cmp"].filter { Lab.findProgram($0) == nil }.joined(separator: ", ")
}

extension PlexusPeer {
  /// The options that all examples have.
  fileprivate var common: [String] {
    // As `meeting` has them, without the name of the application, which is the program's own.
    Array(meeting.drop { $0 != "--app-repo" }) + stunArguments
  }

  /// Somebody at a keyboard: the program reads from a FIFO.
  struct Typist {
    let program: Lab.RunningProgram
    fileprivate let host: Lab.Host
    fileprivate let fifo: String

    func type(_ line: String) async throws {
      // The text is an argument, so that nothing in it is for the shell.
      _ = try await host.run("sh", "-c", #"printf '%s\n' "$1" >"$0""#, fifo, line)
    }

    /// Ctrl-D.
    func endInput() async throws { _ = try await host.run("rm", "\(fifo).open") }
  }

  /// Runs a program that reads what is typed.
  fileprivate func types(
    into program: String, _ arguments: [String], _ body: (Typist) async throws -> Void
  ) async throws {
    let fifo = "\(repository).typed"
    let path = Lab.findProgram(program) ?? program
    // The FIFO is held open for writing until the file beside it is removed, as a terminal is until it is closed.
    let script = """
      mkfifo "$0"; : >"$0.open"
      { while [ -e "$0.open" ]; do sleep 0.1; done; } >"$0" &
      exec "$@" <"$0"
      """
    try await host.withProcess("sh", arguments: ["-c", script, fifo, path] + arguments) { program in
      try await body(Typist(program: program, host: host, fifo: fifo))
      try? FileManager.default.removeItem(atPath: "\(fifo).open")
    }
  }
}
