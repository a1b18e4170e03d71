import ArgumentParser
import CLISupport
import Identity
import LibC

/// `plexus ssh`: ssh to a peer that exports its sshd, in one command.
struct SSHCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ssh", abstract: "Log in at a peer that exports its ssh server.",
    usage: "plexus ssh [OPTIONS] OWNER/PIN [SSH ARGUMENTS…]",
    discussion: """
      OPTIONS are those of a passage, such as --config FILE; see plexus --help. What follows OWNER/PIN goes to ssh. The peer runs \
      `plexus --accept --export 127.0.0.1:22 …`. It is the same as \
      `ssh -o ProxyCommand="plexus OPTIONS --peer-info OWNER/PIN --stdio" …`, which scp, sftp and rsync understand as well.
      """)

  @Argument(parsing: .captureForPassthrough, help: ArgumentHelp("Options, peer, ssh's arguments.", visibility: .hidden))
  var words: [String] = []

  func run() async throws {
    if words.first == "--help" || words.first == "-h" || words.isEmpty { throw CleanExit.helpRequest(Self.self) }
    let (options, peer, rest) = try Self.split(words)
    // What is wrong with them is better said before ssh says that its proxy failed.
    _ = try Settings(
      PlexusOptions.parse(options + ["--peer-info", peer.description, "--stdio"]).addingConfigurationFile(),
      environment: .current)
    let program = pathOfThisProgram() ?? CommandLine.arguments[0]
    let proxy = ([program] + options + ["--peer-info", peer.description, "--stdio"]).map(shellQuoted)
      .joined(separator: " ")
    let arguments =
      ["ssh", "-o", "ProxyCommand=\(proxy.replacingPercents)", "-o", "HostKeyAlias=\(Self.alias(of: peer))"]
      + [Self.alias(of: peer)] + rest
    var words = arguments.map { strdup($0) } + [nil]
    execvp("ssh", &words)
    throw CommandFailure(
      .unavailable, "cannot run ssh: \(String(cString: strerror(errno))); install the OpenSSH client")
  }

  /// The peer is the first word that names one and before which there are whole options.
  static func split(
    _ words: [String]
  ) throws(CommandFailure) -> (options: [String], peer: IdentityName, rest: [String]) {
    for index in words.indices {
      guard let peer = try? IdentityName(words[index]), (try? PlexusOptions.parse(Array(words[..<index]))) != nil
      else { continue }
      return (Array(words[..<index]), peer, Array(words[(index + 1)...]))
    }
    throw CommandFailure(
      .usage, "no peer is named; write plexus ssh [OPTIONS] OWNER/PIN [SSH ARGUMENTS], and see plexus ssh --help")
  }

  /// The name under which ssh keeps the peer's host key: nothing in it may mean anything to ssh.
  static func alias(of peer: IdentityName) -> String {
    "plexus-"
      + String(peer.description.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "." || $0 == "-") ? $0 : "_" })
  }
}

extension String {
  /// ssh replaces percent signs in a ProxyCommand.
  fileprivate var replacingPercents: String {
    split(separator: "%", omittingEmptySubsequences: false).joined(separator: "%%")
  }
}
