import ArgumentParser
import Glibc
import PlexusTesting

/// Measures how long `plexus` takes from the inviter's start until both payloads run, the acceptor being up already.
@main struct PassageBenchmark: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "passage-benchmark", abstract: "Measure passages between NATs in network namespaces.",
    discussion: "Without options it prints the table of all pairs, beside the reference's times.")

  @Option(help: "Connect this often in a row, with one acceptor, and print the spread.")
  var `repeat`: Int?

  @Option(help: "The acceptor's and the inviter's NAT for --repeat, with a comma between.", transform: NATPair.init)
  var pair = NATPair(acceptor: .portRestricted, inviter: .portRestricted)

  @Option(help: "Measurements of which the table gives the median.")
  var samples = 5

  @Option(help: "Let this many peers invite one acceptor in the same second.")
  var peers: Int?

  @Flag(help: "Print memory and CPU of an acceptor that waits for a minute.")
  var idle = false

  @Flag(
    help:
      "Meet by email, over a mail server of the lab that offers IDLE and one that is polled; see --repeat and --pair.")
  var email = false

  @Flag(help: "Time and result of plexus explore behind each NAT, against several kinds of STUN servers.")
  var explore = false

  func run() async throws {
    guard Lab.isAvailable else { throw BenchmarkError(Lab.missingSentence) }
    var chosen = false
    if email {
      try await runEmail(pair, count: self.repeat ?? 50)
      chosen = true
    } else if let count = self.repeat {
      try await runRepeated(pair, count: count)
      chosen = true
    }
    if let peers {
      try await runManyPeers(peers)
      chosen = true
    }
    if idle {
      try await runIdle()
      chosen = true
    }
    if explore {
      try await runExplore(samples: samples)
      chosen = true
    }
    if !chosen { try await runTable(samples: samples) }
  }
}

/// What kept a benchmark from measuring, in one sentence.
struct BenchmarkError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

/// Prints at once, because a measurement takes its time and may be read through a pipe.
func say(_ line: String) {
  print(line)
  fflush(nil)
}
