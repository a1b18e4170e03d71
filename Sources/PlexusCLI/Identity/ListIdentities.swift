import ArgumentParser
import Logging
import Plexus

/// `plexus identity list`.
struct ListIdentities: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List your own identities and the peers, and what is wrong with any of them.")

  @Argument(help: ArgumentHelp("Only these: OWNER/PIN, OWNER or /PIN.", valueName: "pattern"))
  var pattern: String?

  @OptionGroup var repository: RepositoryOptions

  func run() throws {
    let pattern = try pattern.map { try IdentityPattern($0) } ?? .any
    let repository = try repository.open()
    for entry in try repository.entries(matching: pattern, logger: Logger(label: "identity")) {
      print("\(entry.hasPrivateKey ? "own " : "peer")  \(entry.name)  \(state(of: entry, in: repository))")
    }
  }

  /// The fingerprint, and what is wrong with the certificate or the private key.
  private func state(of entry: RepositoryEntry, in repository: ApplicationRepository) -> String {
    if let problem = entry.problem { return "unusable: \(problem)" }
    let fingerprint = entry.identity?.fingerprint ?? ""
    guard entry.hasPrivateKey else { return fingerprint }
    do {
      let warning = try repository.ownIdentity(entry.name).permissionsWarning
      return fingerprint + (warning.map { "  warning: \($0)" } ?? "")
    } catch {
      return "unusable: \(error)"
    }
  }
}
