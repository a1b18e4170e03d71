import ArgumentParser
import FoundationEssentials
import Plexus

/// `plexus identity show OWNER/PIN`.
struct ShowIdentity: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Show one identity and check that it can be used.")

  @Argument(help: ArgumentHelp("The identity.", valueName: "owner/pin"))
  var name: String

  @OptionGroup var repository: RepositoryOptions

  func run() throws {
    let repository = try repository.open()
    let name = try IdentityName(name)
    let entry = repository.entry(name)
    if let identity = entry.identity {
      print(
        """
        \(name) (\(entry.hasPrivateKey ? "your own" : "a peer's"))
        \(describe(identity))
        subject      \(identity.subject)
        key          RSA, \(identity.keyBits) bits
        valid        \(identity.notValidBefore.formatted(.iso8601)) to \(identity.notValidAfter.formatted(.iso8601))
        certificate  \(repository.certificatePath(name))
        """)
      if entry.hasPrivateKey { print("private key  \(repository.keyPath(name))") }
    }
    if let problem = entry.problem { throw problem }
    if entry.hasPrivateKey, let warning = try repository.ownIdentity(name).permissionsWarning {
      print("warning: \(warning)")
    }
  }
}
