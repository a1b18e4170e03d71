import Glibc
import PlexusTesting

/// The outcomes of a row of invitations.
struct Passages {
  /// Seconds from the inviter's start until both payloads ran, in order of success.
  var seconds: [Double] = []
  /// Why the others failed.
  var failures: [String] = []

  var median: Double? {
    guard !seconds.isEmpty else { return nil }
    let sorted = seconds.sorted()
    let middle = sorted.count / 2
    return sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
  }
}

/// Connects the two sides `count` times in a row in a lab of their own; one acceptor serves all.
///
/// - Parameter mail: Whether they meet by email, and how; nil for the DHT.
func connect(
  _ pair: NATPair, count: Int, by mail: MailKind? = nil, progress: (Int, Passages) -> Void = { _, _ in }
) async throws -> Passages {
  try await withLab(sites: [Lab.Site(nat: pair.acceptor), Lab.Site(nat: pair.inviter)]) { lab in
    let acceptor = try await PlexusPeer("acceptor", on: lab.host(0), in: lab)
    let inviter = try await PlexusPeer("inviter", on: lab.host(1), in: lab)
    try acceptor.befriend(inviter)
    guard let mail else { return try await connect(acceptor, inviter, count: count, progress: progress) }
    return try await lab.withMailServer(for: [acceptor, inviter], idle: mail == .idle) { site in
      try await connect(acceptor.using(mail: site), inviter.using(mail: site), count: count, progress: progress)
    }
  }
}

/// How the IMAP server tells of new mail.
enum MailKind: String, CaseIterable {
  case idle = "IDLE"
  case polling
}

private func connect(
  _ acceptor: PlexusPeer, _ inviter: PlexusPeer, count: Int, progress: (Int, Passages) -> Void
) async throws -> Passages {
  try await acceptor.withAcceptor { running in
    var passages = Passages()
    for number in 1...count {
      do {
        passages.seconds.append(try await invite(acceptor, by: inviter))
      } catch {
        try Task.checkCancellation()
        passages.failures.append("connect \(number): \(error)\nthe acceptor said: \(running.errors.suffix(3000))")
      }
      progress(number, passages)
    }
    return passages
  }
}

/// Lets `inviter` invite once, and waits for the payloads of both.
///
/// - Returns: The time in seconds from the start of its `plexus` until the later payload ran.
func invite(_ acceptor: PlexusPeer, by inviter: PlexusPeer) async throws -> Double {
  let made = (acceptor.passages(with: inviter).count, inviter.passages(with: acceptor).count)
  let start = realTime()
  let result = try await inviter.host.run("plexus", arguments: inviter.inviting(acceptor), deadline: .seconds(90))
  guard result.exit == .exited(0) else {
    throw BenchmarkError("\(inviter.identity) did not get through: \(result.errors)")
  }
  let own = try await inviter.waitForPassages(made.1 + 1, with: acceptor)[made.1]
  let other = try await acceptor.waitForPassages(made.0 + 1, with: inviter)[made.0]
  return Double(max(own.started, other.started) - start) / 1e9
}

/// Nanoseconds since 1970, as the payloads write them.
private func realTime() -> Int64 {
  var time = timespec()
  clock_gettime(CLOCK_REALTIME, &time)
  return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}
