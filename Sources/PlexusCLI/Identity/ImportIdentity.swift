import ArgumentParser
import Plexus

/// `plexus identity import FILE|- [OWNER/PIN]`.
struct ImportIdentity: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import", abstract: "Put a peer's certificate where it belongs.")

  @Argument(help: ArgumentHelp("The peer's certificate (PEM); - reads standard input.", valueName: "file"))
  var file: String

  @Argument(help: ArgumentHelp("The peer; if left out, the certificate's subject tells.", valueName: "owner/pin"))
  var name: String?

  @OptionGroup var repository: RepositoryOptions

  @Flag(help: "Replace a different certificate of the same peer.")
  var force = false

  func run() throws {
    let repository = try repository.openOrCreate()
    let imported = try repository.importCertificate(
      from: file == "-" ? .standardInput : .file(file), as: name.map { try IdentityName($0) }, replacing: force)
    let name = imported.peer.name
    if imported.wasThere {
      print("\(name) has this certificate already; nothing was written.")
    } else {
      print("\(name) is in \(repository.folder(name)).")
    }
    if let replaced = imported.replaced { print("replaced     \(replaced.fingerprint)") }
    print(
      """
      \(describe(imported.peer))
      Compare the fingerprint with the peer over another channel, by telephone for example, before you trust it.
      """)
  }
}
