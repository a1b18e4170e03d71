import ArgumentParser
import CLISupport
import LibC
import Plexus

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
    let (options, peer, rest) = try Self.split(words)
    // What is wrong with them is better said before ssh says that its proxy failed.
    let settings = try Settings(
      PlexusOptions.parse(options + ["--peer-info", peer.description, "--stdio"]).addingConfigurationFile(),
      environment: .current)
    try settings.configuration.email?.checkFiles()
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
  ///
  /// - Throws: ``CommandFailure`` about the word that is neither; `CleanExit` where it asks for help or the version.
  static func split(_ words: [String]) throws -> (options: [String], peer: IdentityName, rest: [String]) {
    for index in words.indices {
      let options = Array(words[..<index])
      guard areOptions(options) else {
        // Where one more word makes it whole, that one is an option's value.
        if areOptions(options + ["value"]) { continue }
        break
      }
      guard let peer = try? IdentityName(words[index]) else { continue }
      return (options, peer, Array(words[(index + 1)...]))
    }
    throw complaint(about: words)
  }

  private static func areOptions(_ words: [String]) -> Bool { (try? PlexusOptions.parse(words)) != nil }

  /// What to say of words among which there is no peer.
  private static func complaint(about words: [String]) -> any Error {
    let advice = "write plexus ssh [OPTIONS] OWNER/PIN [SSH ARGUMENTS], and see plexus ssh --help"
    for index in words.indices {
      let start = Array(words[...index])
      guard !areOptions(start), !areOptions(start + ["value"]) else { continue }
      switch words[index] {
      case "--help", "-h": return CleanExit.helpRequest(Self.self)
      case "--version": return CleanExit.message(PassageCommand.configuration.version)
      case let word where word.hasPrefix("-"):
        do { _ = try PlexusOptions.parse(start) } catch {
          return CommandFailure(.usage, "\(PlexusOptions.message(for: error)); \(advice)")
        }
      case let word:
        do { _ = try IdentityName(word) } catch { return error }
      }
    }
    if !words.isEmpty, !areOptions(words) {
      return CommandFailure(.usage, "\(words[words.count - 1]) has no value, and no peer is named; \(advice)")
    }
    return CommandFailure(.usage, "no peer is named; \(advice)")
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
