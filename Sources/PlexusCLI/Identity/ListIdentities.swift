import ArgumentParser
import Identity
import Logging

/// `plexus identity list`.
struct ListIdentities: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List your own identities and the peers, and what is wrong with any of them.")

  @Argument(help: ArgumentHelp("Only these: OWNER/PIN, OWNER or /PIN.", valueName: "pattern"))
  var pattern: String?

  @OptionGroup var repository: RepositoryOptions

  func run() throws {
    let pattern = try pattern.map { try IdentityPattern($0) } ?? .any
    for entry in try repository.open().entries(matching: pattern, logger: Logger(label: "identity")) {
      let state = entry.problem.map { "unusable: \($0)" } ?? entry.identity?.fingerprint ?? ""
      print("\(entry.hasPrivateKey ? "own " : "peer")  \(entry.name)  \(state)")
    }
  }
}
