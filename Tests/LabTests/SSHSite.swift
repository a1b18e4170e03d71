import FoundationEssentials
import PlexusTesting
import Testing

/// A real sshd on the acceptor's loopback, and what a client needs to log in there.
struct SSHSite {
  /// Where sshd listens, on the acceptor.
  let address = "127.0.0.1:2022"
  /// A folder of the acceptor for files, its keys and its configuration.
  let directory: String
  private let lab: Lab

  static let isAvailable = missing.isEmpty
  static let missingSentence =
    missing.isEmpty ? Lab.missingSentence : "these tests need \(missing) (packages openssh-server, openssh-client)"
  private static let missing = ["sshd", "ssh", "scp", "ssh-keygen"].filter { Lab.findProgram($0) == nil }
    .joined(separator: ", ")

  /// Makes the keys, and the configuration that lets only them in.
  init(on host: Lab.Host, in lab: Lab) async throws {
    directory = host.directory
    self.lab = lab
    let made = try await host.run(
      "sh", "-ec",
      """
      cd \(directory)
      mkdir -p /run/sshd
      ssh-keygen -q -t ed25519 -N '' -f host_key
      ssh-keygen -q -t ed25519 -N '' -f user_key
      cat >sshd_config <<END
      ListenAddress \(address)
      HostKey \(directory)/host_key
      AuthorizedKeysFile \(directory)/user_key.pub
      PermitRootLogin prohibit-password
      StrictModes no
      UsePAM no
      PidFile none
      Subsystem sftp internal-sftp
      END
      """)
    #expect(made.exit == .exited(0), "\(made.errors)")
  }

  /// Options of ssh and scp: the key, and no questions.
  var options: [String] {
    [
      "-i", "\(directory)/user_key", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o",
      "LogLevel=ERROR", "-o", "BatchMode=yes", "-l", "root",
    ]
  }

  /// Options of scp, which has no -l for the user.
  func scpOptions(port: Int) -> [String] { Array(options.dropLast(2)) + ["-P", "\(port)"] }

  /// Runs a command through the imported port; what it said. A tunnel that is being built lets ssh wait.
  func ssh(from host: Lab.Host, command: String) async throws -> String {
    let deadline = ContinuousClock.now + .seconds(40)
    while true {
      let result = try await host.run(
        "ssh", arguments: options + ["-p", "2200", "-o", "ConnectTimeout=20", "127.0.0.1", command],
        deadline: .seconds(30))
      if result.exit == .exited(0) || ContinuousClock.now > deadline { return result.output + result.errors }
      try await Task.sleep(for: .milliseconds(200))
    }
  }

  /// What the reboot of both NATs looks like.
  func flushNATs() async throws {
    for site in lab.sites.indices { try await lab.nat(site).flush() }
  }
}

/// Runs `body` with an sshd behind the acceptor's NAT.
func withSSH(_ body: (_ site: SSHSite, _ acceptor: PlexusPeer, _ inviter: PlexusPeer) async throws -> Void) async throws
{
  try await withPair { lab, acceptor, inviter in
    let site = try await SSHSite(on: acceptor.host, in: lab)
    try await acceptor.host.withProcess(
      Lab.findProgram("sshd") ?? "sshd", "-D", "-e", "-f", "\(site.directory)/sshd_config"
    ) { server in
      try await server.waitForLine(containing: "Server listening")
      try await body(site, acceptor, inviter)
    }
  }
}

extension PlexusPeer {
  /// The arguments of `plexus` that are the same for whatever it does.
  func serving(_ options: [String]) -> [String] { meeting + stunArguments + options }

  /// Runs `plexus` with services while `body` runs, from the moment that it can be met or listens.
  func withServices<Value: Sendable>(
    _ options: [String], _ body: (Lab.RunningProgram) async throws -> Value
  ) async throws -> Value {
    try await host.withProcess("plexus", arguments: serving(options)) { program in
      try await program.waitForLine(containing: options.contains("--accept") ? Self.acceptingLine : "Listening for")
      return try await body(program)
    }
  }
}
