import ArgumentParser
import Plexus

/// `plexus identity new OWNER/PIN`.
struct NewIdentity: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "new", abstract: "Make an identity of your own: a private key and a certificate.",
    usage: "plexus identity new <owner/pin> [<options>]")

  @Argument(help: ArgumentHelp("The new identity.", valueName: "owner/pin"))
  var name: String

  @OptionGroup var repository: RepositoryOptions

  @Option(help: "Size of the RSA key: 2048, 3072 or 4096.")
  var bits = NewIdentityOptions().bits

  @Option(help: "For how many days the certificate is valid.")
  var days = NewIdentityOptions().days

  func run() throws {
    let argument = repository.argument
    let name = try IdentityName(name)
    let repository = try repository.openOrCreate()
    let own = try repository.create(name, options: NewIdentityOptions(bits: bits, days: days))
    print(
      """
      \(name) is in \(repository.folder(name)); private.key there must never leave this machine.
      \(describe(own.identity))
      Next: `plexus identity export \(shellQuoted(name.description))\(argument) --output FILE`, send FILE to the peer, and have it \
      run `plexus identity import FILE`.
      """)
  }
}
