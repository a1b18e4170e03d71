import FoundationEssentials
import PlexusTesting
import Testing

extension LabTests {
  /// The page "From nothing to ssh", typed by three people on three hosts.
  @Suite(.serialized, .enabled(if: Lab.isAvailable && SSHSite.isAvailable, "\(SSHSite.missingSentence)"))
  struct FromNothing {
    @Test func everyCommandOfThePagePrintsWhatThePageSays() async throws {
      let commands = try PageCommand.all(inPage: "from-nothing-to-ssh.md")
      #expect(commands.count > 12)
      try await withLab(sites: [.portRestricted, .portRestricted], servers: false) { lab in
        let reader = try PageReader(lab: lab, hosts: ["alice": lab.host(0), "bob": lab.host(1), "server": lab.server])
        try await reader.withSSHServer(on: "bob") { try await reader.type(commands[...]) }
      }
    }
  }
}

/// A command of a page: what is typed, where, and what the page says that it prints.
private struct PageCommand {
  var host: String
  var text: String
  var printed: [String] = []

  /// Indented lines are what a terminal shows; those with a prompt `HOST$` are typed.
  static func all(inPage name: String) throws -> [PageCommand] {
    let page = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" } + "/docs/\(name)"
    var commands: [PageCommand] = []
    var delimiter: Substring?
    for line in try String(contentsOfFile: page, encoding: .utf8).split(
      separator: "\n", omittingEmptySubsequences: false)
    {
      guard line.hasPrefix("    ") else { continue }
      let line = line.dropFirst(4)
      let words = line.split(separator: " ", maxSplits: 1)
      if let end = delimiter {
        commands[commands.count - 1].text += "\n\(line)"
        if line == end { delimiter = nil }
      } else if let prompt = words.first, prompt.hasSuffix("$"), words.count == 2 {
        commands.append(
          PageCommand(host: prompt == "$" ? "alice" : String(prompt.dropLast()), text: String(words[1])))
        if line.contains("<<") { delimiter = line.split(separator: "<").last }
      } else if !commands.isEmpty {
        commands[commands.count - 1].printed.append(String(line))
      }
    }
    // What root does on a real machine is typed by scripts/test-package.
    return commands.filter { !$0.text.hasPrefix("sudo ") }
  }

  /// Whether it goes on until somebody ends it.
  var isServing: Bool { [" serve ", "--accept", "--import"].contains { text.contains($0) } }
}

/// Types the commands of a page.
private struct PageReader: Sendable {
  let lab: Lab
  let hosts: [String: Lab.Host]

  init(lab: Lab, hosts: [String: Lab.Host]) throws {
    self.lab = lab
    self.hosts = hosts
    for name in hosts.keys {
      try FileManager.default.createDirectory(atPath: home(name), withIntermediateDirectories: true)
    }
  }

  private func home(_ name: String) -> String { "\(lab.directory)/home-\(name)" }
  private var programs: String { "\(lab.directory)/programs" }

  /// Types the first command and then the others, while those that serve go on.
  func type(_ commands: ArraySlice<PageCommand>) async throws {
    guard let command = commands.first else { return }
    let host = try #require(hosts[command.host], "nobody is called \(command.host)")
    // What they send each other by mail is there when it is needed.
    for (sender, receiver) in [("alice", "bob"), ("bob", "alice")] where command.text.contains("import \(sender).crt") {
      try FileManager.default.copyItem(
        atPath: "\(home(sender))/\(sender).crt", toPath: "\(home(receiver))/\(sender).crt")
    }
    let script = """
      cd \(home(command.host)); HOME=$PWD PATH=\(programs):\(Lab.binaryDirectory):$PATH; export HOME PATH
      \(command.isServing ? "exec " : "")\(command.text)
      """
    if command.isServing {
      try await host.withProcess("sh", "-c", script) { program in
        for line in command.printed {
          try await program.waitForLine(containing: line.replacing("…", with: "").trimmingSpaces)
        }
        try await type(commands.dropFirst())
      }
    } else {
      let result = try await host.run("sh", "-c", script, deadline: .seconds(60))
      #expect(result.exit == .exited(0), "\(command.text): \(result.errors)")
      expect(result.output, toBe: command.printed, after: command.text)
      try await type(commands.dropFirst())
    }
  }

  /// Each line of the page against one of the output; a line that is `…` alone stands for all that follow.
  private func expect(_ output: String, toBe printed: [String], after command: String) {
    var lines = output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)[...]
    if lines.last == "" { lines = lines.dropLast() }
    for line in printed {
      if line == "…" { return }
      guard let found = lines.popFirst(), found.matches(line) else {
        Issue.record("\(command) does not print “\(line)” but: \(output)")
        return
      }
    }
    #expect(lines.isEmpty, "\(command) prints more than the page says: \(lines.joined(separator: "\n"))")
  }

  /// An ssh server of a host by the same name, and an ssh client that is let in by it.
  func withSSHServer(on name: String, _ body: @Sendable () async throws -> Void) async throws {
    let host = try #require(hosts[name])
    let made = try await host.run(
      "sh", "-ec",
      """
      mkdir -p /run/sshd \(programs); cd \(programs)
      ssh-keygen -q -t ed25519 -N '' -f host_key; ssh-keygen -q -t ed25519 -N '' -f user_key
      cat >sshd_config <<END
      ListenAddress 127.0.0.1:22
      HostKey \(programs)/host_key
      AuthorizedKeysFile \(programs)/user_key.pub
      PermitRootLogin prohibit-password
      StrictModes no
      UsePAM no
      PidFile none
      END
      cat >ssh <<END
      #!/bin/sh
      exec \(Lab.findProgram("ssh") ?? "ssh") -i \(programs)/user_key -l root -o BatchMode=yes -o LogLevel=ERROR \\
        -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "\\$@"
      END
      chmod +x ssh
      """)
    #expect(made.exit == .exited(0), "\(made.errors)")
    try await host.withProcess(
      "unshare", "--uts", "sh", "-c",
      "hostname \(name); exec \(Lab.findProgram("sshd") ?? "sshd") -D -e -f \(programs)/sshd_config"
    ) { server in
      try await server.waitForLine(containing: "Server listening")
      try await body()
    }
  }
}

extension String {
  fileprivate var trimmingSpaces: String {
    String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
  }

  /// Whether this is `pattern`, where `…` stands for anything.
  fileprivate func matches(_ pattern: String) -> Bool {
    let parts = pattern.split(separator: "…", omittingEmptySubsequences: false)
    guard let first = parts.first, let last = parts.last, hasPrefix(first) else { return false }
    if parts.count == 1 { return self == pattern }
    var rest = dropFirst(first.count)
    for part in parts.dropFirst().dropLast() where !part.isEmpty {
      guard let found = rest.range(of: part) else { return false }
      rest = rest[found.upperBound...]
    }
    return rest.hasSuffix(last)
  }
}

extension Substring {
  fileprivate func range(of text: Substring) -> Range<Index>? { ranges(of: text).first }
}
