import ArgumentParser
import Plexus

/// `plexus identity`: makes identities and exchanges their certificates with peers.
struct IdentityCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "identity",
    abstract: "Make your own identities and exchange certificates with peers.",
    discussion: """
      An identity is written OWNER/PIN: an email address by convention, and a name for one of its owner's machines \
      or uses. Each side makes an identity, exports its certificate, sends it to the other side, and imports the \
      one it gets:

        alice$ plexus identity new alice@example.org/desk --app-repo ~/identities
        alice$ plexus identity export alice@example.org/desk --app-repo ~/identities \\
                 --output alice.crt
        bob$ plexus identity import alice.crt --app-repo ~/identities
      """,
    subcommands: [
      NewIdentity.self, ListIdentities.self, ShowIdentity.self, ExportIdentity.self, ImportIdentity.self,
    ])
}

/// Where the identities are.
struct RepositoryOptions: ParsableArguments {
  @Option(name: .customLong("app-repo"), help: ArgumentHelp("Folder of the identities.", valueName: "dir"))
  var path = "."

  func open() throws -> ApplicationRepository { try ApplicationRepository(path: path) }

  /// For the commands that put something into it.
  func openOrCreate() throws -> ApplicationRepository { try ApplicationRepository.openOrCreate(path: path) }

  /// What a command that we advise has to say about it.
  var argument: String { path == "." ? "" : " --app-repo \(shellQuoted(path))" }
}

/// What every command tells of a certificate.
func describe(_ identity: PeerIdentity) -> String {
  """
  fingerprint  \(identity.fingerprint)
  DHT id       \(identity.certificateID)
  """
}
