import ArgumentParser
import Datagrams
import LibC
import PlexusTesting

/// Plays the search for a path between every two kinds of network in memory, and prints the table of docs/punching.md.
struct PathsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "paths", abstract: "Look for a path between every two kinds of network in memory, and print a table.",
    discussion: "PLEXUS_SEED in the environment plays the one schedule of that seed in each cell.")

  @Option(help: "Schedules of each cell.")
  var schedules = 20

  @Option(help: "Play only cells whose description contains this text.")
  var cell: String?

  @Flag(help: "Lose a tenth of all datagrams, with 300 ms of round trip.")
  var badWires = false

  @Flag(help: "Also play rarer kinds of NAT.")
  var rarer = false

  func run() throws {
    print("| acceptor x inviter | found | median | longest | datagrams | peak a second |\n|---|---|---|---|---|---|")
    var wrong: [PathTally] = []
    for candidate in PathMatrix.cells(rarer: rarer, wires: badWires ? .bad : .good)
    where cell.map(candidate.description.contains) ?? true {
      let tally = PathTally(candidate, schedules: schedules)
      let words = [
        "\(candidate)", "\(tally.successes) of \(tally.schedules)", seconds(tally.median), seconds(tally.longest),
        "\(tally.medianDatagrams)", "\(tally.peakPerSecond)",
      ]
      print("| \(words.joined(separator: " | ")) |")
      fflush(nil)
      if !tally.isRight { wrong.append(tally) }
    }
    for tally in wrong { print(tally.sentence) }
    if !wrong.isEmpty { throw ExitCode.failure }
  }

  private func seconds(_ duration: Duration?) -> String {
    duration.map { "\(($0.milliseconds / 10).rounded() / 100) s" } ?? "–"
  }
}
