import ArgumentParser
import Plexus

/// `plexus identity export OWNER/PIN`.
struct ExportIdentity: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Write an identity's certificate, for its peers; never the private key.")

  @Argument(help: ArgumentHelp("The identity.", valueName: "owner/pin"))
  var name: String

  @OptionGroup var repository: RepositoryOptions

  @Option(name: .shortAndLong, help: ArgumentHelp("A new file, in place of standard output.", valueName: "file"))
  var output: String?

  func run() throws {
    let peer = try repository.open().peer(IdentityName(name))
    if let output {
      try peer.export(to: output)
    } else {
      print(peer.certificatePEM, terminator: "")
    }
  }
}
