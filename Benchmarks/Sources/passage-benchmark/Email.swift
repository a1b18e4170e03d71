import PlexusTesting

extension PassageBenchmark {
  /// Many connects in a row by email, with a server that tells of new mail and with one that must be asked.
  func runEmail(_ pair: NATPair, count: Int) async throws {
    if let missing = MailServerSite.missingSentence { throw BenchmarkError(missing) }
    var rows: [String] = []
    var failures: [String] = []
    for kind in MailKind.allCases {
      let passages = try await connect(pair, count: count, by: kind) { number, passages in
        if number.isMultiple(of: 10) {
          say("\(kind.rawValue): \(number) of \(count), \(passages.failures.count) failed")
        }
      }
      let spread = [passages.seconds.min(), passages.median, passages.seconds.max()].map { $0.map { text($0) } ?? "-" }
      let reference = kind == .idle ? "12.4 s" : "35.7 s"
      rows.append(
        "| \(kind.rawValue) | \(count) | \(passages.failures.count) | \(spread.joined(separator: " | ")) | \(reference) |"
      )
      failures += passages.failures
    }
    say("\nBy email, \(pair.acceptor) and \(pair.inviter); from the inviter's start until both payloads run.\n")
    say("| IMAP | connects | failures | fastest | median | slowest | reference |")
    say("|---|---|---|---|---|---|---|")
    for row in rows { say(row) }
    try finish(failures)
  }
}
