import ArgumentParser
import PlexusTesting

/// `plexus-lab`: the laboratory of network namespaces, from the command line.
@main struct PlexusLab: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plexus-lab", abstract: "Try plexus between NATs on one machine.",
    subcommands: [
      CheckCommand.self, DemoCommand.self, UpCommand.self, TalkCommand.self, SimulateCommand.self, PathsCommand.self,
      MatrixCommand.self,
      ProbeCommand.self,
      PathCommand.self,
    ])
}

/// Says what this machine lacks for a lab.
struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Say whether this machine can make a lab, and what it lacks.")

  func run() throws {
    print(Lab.missingSentence)
    if !Lab.isAvailable { throw ExitCode.failure }
  }
}

/// Why a command could not do its work, in one sentence.
struct LabToolError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

/// Ends the command with one sentence when there can be no lab.
func requireLab() throws {
  guard Lab.isAvailable else { throw LabToolError(Lab.missingSentence) }
}

extension Lab.NATKind: ExpressibleByArgument {}
