import PlexusTesting

extension PassageBenchmark {
  /// The table of all pairs.
  func runTable(samples: Int) async throws {
    say("Seconds from the inviter's start until both payloads run, acceptor already up; median of \(samples).\n")
    say("| acceptor's NAT | inviter's NAT | plexus | fastest | slowest | reference |")
    say("|---|---|---|---|---|---|")
    var failures: [String] = []
    for pair in NATPair.all {
      let passages = try await connect(pair, count: samples)
      let reference = pair.referenceSeconds.map { text($0, digits: 1) } ?? ""
      let own = [passages.median, passages.seconds.min(), passages.seconds.max()].map {
        $0.map { text($0) } ?? "failed"
      }
      say("| \(pair.acceptor) | \(pair.inviter) | \(own.joined(separator: " | ")) | \(reference) |")
      failures += passages.failures.map { "\(pair.acceptor), \(pair.inviter), \($0)" }
    }
    say("\nReference: the C++ plexus 3.2.3, in the same kind of lab.")
    try finish(failures)
  }

  /// Many connects in a row.
  func runRepeated(_ pair: NATPair, count: Int) async throws {
    let passages = try await connect(pair, count: count) { number, passages in
      if number.isMultiple(of: 10) { say("\(number) of \(count), \(passages.failures.count) failed") }
    }
    say("\n| acceptor's NAT | inviter's NAT | connects | failures | fastest | median | slowest |")
    say("|---|---|---|---|---|---|---|")
    let spread = [passages.seconds.min(), passages.median, passages.seconds.max()].map { $0.map { text($0) } ?? "-" }
    say(
      "| \(pair.acceptor) | \(pair.inviter) | \(count) | \(passages.failures.count) | \(spread.joined(separator: " | ")) |"
    )
    try finish(passages.failures)
  }

  func text(_ seconds: Double, digits: Int = 2) -> String {
    let unit = digits == 1 ? 10.0 : 100.0
    let scaled = Int((seconds * unit).rounded())
    let fraction = String(scaled % Int(unit))
    return "\(scaled / Int(unit)).\(String(repeating: "0", count: digits - fraction.count))\(fraction) s"
  }

  /// Shows what failed, and makes the exit status tell.
  func finish(_ failures: [String]) throws {
    guard let first = failures.first else { return }
    throw BenchmarkError("\(failures.count) failed; the first was \(first)")
  }
}
