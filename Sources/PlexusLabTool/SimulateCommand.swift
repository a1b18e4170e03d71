import ArgumentParser
import LibC
import PlexusTesting

/// Plays the matrix of NATs in memory and prints what came out.
struct SimulateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate", abstract: "Play every NAT against every other in memory, and print a table.",
    discussion: "PLEXUS_SEED in the environment plays the one schedule of that seed in each cell.")

  @Option(help: "Schedules of each cell with bad wires.")
  var schedules = 20

  @Option(help: "Play only cells whose description contains this text.")
  var cell: String?

  func run() throws {
    print("| matrix | cells | schedules | seconds | failures |\n|---|---|---|---|---|")
    let failed =
      play("exploration, perfect wires", SimulationMatrix.exactExplorations(full: true), schedules: 1)
      + play("exploration, bad wires", SimulationMatrix.adverseExplorations, schedules: schedules)
      + play("explore, exchange, punch", SimulationMatrix.passages, schedules: schedules)
      + play("the same with a minute's wait", SimulationMatrix.longWaits, schedules: schedules)
    for tally in failed { print(tally) }
    if !failed.isEmpty { throw ExitCode.failure }
  }

  private func play(_ matrix: String, _ cells: [MatrixCell], schedules: Int) -> [ScheduleTally] {
    let cells = cells.filter { cell.map($0.description.contains) ?? true }
    let start = ContinuousClock.now
    let tallies = cells.map { $0.run(schedules: schedules) }
    let seconds = (start.duration(to: .now) / .milliseconds(100)).rounded() / 10
    let failures = tallies.reduce(0) { $0 + $1.failures.count }
    let played = tallies.reduce(0) { $0 + $1.schedules }
    print("| \(matrix) | \(cells.count) | \(played) | \(seconds) | \(failures) |")
    fflush(nil)
    return tallies.filter { !$0.failures.isEmpty }
  }
}
