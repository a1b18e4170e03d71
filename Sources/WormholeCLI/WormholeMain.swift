import ArgumentParser
import BuildInformation
import CLISupport
import LibC
import Logging

/// `wormhole`: services through a tunnel between two UDP endpoints.
struct WormholeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wormhole",
    abstract: "Carry TCP and UDP services through a tunnel between two UDP endpoints, such as those of a punched hole.",
    usage: "wormhole --purpose export|import [<options>]",
    discussion: """
      Run it on both machines, with --purpose export where the service is and --purpose import where its clients are:

        bob$ wormhole --purpose export --service 127.0.0.1:22 \\
               --gateway 0.0.0.0:4001 --faraway 203.0.113.7:4002
        alice$ wormhole --purpose import --service 127.0.0.1:2222 \\
                 --gateway 0.0.0.0:4002 --faraway 198.51.100.9:4001

      It understands the C++ wormhole, and does more where both ends are this one: several services, by name and UDP ones, \
      and half-closed connections.
      """,
    version: BuildInformation.line(program: "wormhole", version: WormholeVersion.current))

  @OptionGroup var options: WormholeOptions

  func run() async throws { try await WormholeRun(Settings(options)).run() }
}

/// Runs the command line, and turns whatever is thrown into one line on standard error and an exit status.
@main enum WormholeMain {
  static func main() async {
    reserveStandardDescriptors(
      isOutputNeeded: ["--help", "-h", "--version"].contains(CommandLine.arguments.dropFirst().first))
    var status: Int32 = 0
    do {
      var command = try WormholeCommand.parseAsRoot()
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch {
      status = report(error)
    }
    if status == 0, let failure = failureOfStandardOutput() {
      writeLineToStandardError("wormhole: \(failure)")
      status = failure.status.rawValue
    }
    exit(status)
  }

  private static func report(_ error: any Error) -> Int32 {
    if let failure = CommandFailure(describing: error) {
      writeLineToStandardError("wormhole: \(failure)")
      return failure.status.rawValue
    }
    let code = WormholeCommand.exitCode(for: error)
    guard !code.isSuccess else {
      // --help and --version end here.
      print(WormholeCommand.fullMessage(for: error, columns: helpWidth()))
      return 0
    }
    let message = WormholeCommand.message(for: error)
    if !message.isEmpty { writeLineToStandardError("wormhole: \(message); see wormhole --help") }
    return code.rawValue
  }
}
