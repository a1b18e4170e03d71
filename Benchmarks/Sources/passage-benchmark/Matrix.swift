import Glibc
import PlexusTesting

extension PassageBenchmark {
  /// The table of what connects with what: every kind of network against every other, some connects a cell.
  func runMatrix(count: Int) async throws {
    say("Connects of \(count), and the median seconds from the inviter's start until both payloads run.\n")
    say("| acceptor | inviter | connects | median | slowest | datagrams of the inviter | plexus 3.2 | plain ICE |")
    say("|---|---|---|---|---|---|---|---|")
    var failures: [String] = []
    for cell in MatrixCell.all where cells.isEmpty || cells.contains(where: cell.name.contains) {
      let result = try await connect(cell, count: count)
      let words = [
        cell.acceptor, cell.inviter, "\(result.seconds.count) of \(count)", result.median.map { text($0) } ?? "–",
        result.seconds.max().map { text($0) } ?? "–", result.datagrams.max().map { "\($0)" } ?? "–",
        cell.reference, cell.ice,
      ]
      say("| \(words.joined(separator: " | ")) |")
      failures += result.failures.map { "\(cell.name): \($0)" }
    }
    say("")
    for failure in failures { say(failure) }
  }

  private func connect(_ cell: MatrixCell, count: Int) async throws -> MatrixResult {
    try await withLab(sites: cell.sites, ipv6: cell.isIPv6) { lab in
      let servers = cell.isIPv6 ? [lab.stunServerV6] : [lab.stunServer]
      let acceptor = try await PlexusPeer("acceptor", on: lab.host(0), in: lab, stunServers: servers)
      let inviter = try await PlexusPeer("inviter", on: lab.host(1), in: lab, stunServers: servers)
      try acceptor.befriend(inviter)
      if cell.isIPv6 {
        for host in [acceptor.host, inviter.host] { _ = try await host.run("ip", "-4", "addr", "flush", "dev", "eth0") }
      }
      let options = cell.isIPv6 ? ["--dht-bootstrap", lab.bootstrapV6] : []
      return try await acceptor.withAcceptor(options: options) { _ in
        var result = MatrixResult()
        for _ in 0..<count {
          let made = acceptor.passages.count
          let start = realTime()
          let run = try await inviter.host.run(
            "plexus", arguments: inviter.inviting(acceptor) + options, deadline: .seconds(100))
          for line in run.errors.split(separator: "\n") { result.note(line) }
          guard run.exit == .exited(0) else {
            result.failures.append(String(run.errors.suffix(300)))
            continue
          }
          let theirs = try await acceptor.waitForPassages(made + 1, with: inviter)
          let latest = [theirs.last, inviter.passages.last].compactMap { $0.map { $0.started - start } }
          if let latest = latest.max() { result.seconds.append(Double(latest) / 1e9) }
        }
        return result
      }
    }
  }
}

/// What came of the connects of one cell.
private struct MatrixResult {
  var seconds: [Double] = []
  var failures: [String] = []
  var datagrams: [Int] = []

  var median: Double? { seconds.isEmpty ? nil : seconds.sorted()[seconds.count / 2] }

  /// Reads what the inviter logs of its search.
  mutating func note(_ line: Substring) {
    let words = line.split(separator: " ")
    if let index = words.firstIndex(where: { $0.hasPrefix("datagrams") }), index > 0, let count = Int(words[index - 1])
    {
      datagrams.append(count)
    }
  }
}

/// A cell of the matrix.
private struct MatrixCell {
  let acceptor: String
  let inviter: String
  let sites: [Lab.Site]
  var isIPv6 = false
  /// What the C++ tools and ICE without relays do, by their designs.
  let reference: String
  let ice: String

  var name: String { "\(acceptor) x \(inviter)" }

  private struct Kind {
    let name: String
    let site: Lab.Site
    var isSymmetric = false
    var admitsAnyPort = false
  }

  private static let kinds = [
    Kind(name: "open", site: .open, admitsAnyPort: true), Kind(name: "full cone", site: .fullCone, admitsAnyPort: true),
    Kind(name: "address-restricted", site: .addressRestricted, admitsAnyPort: true),
    Kind(name: "port-restricted", site: .portRestricted),
    Kind(name: "symmetric, sequential", site: .symmetricSequential, isSymmetric: true),
    Kind(name: "symmetric, random", site: .symmetric, isSymmetric: true), Kind(name: "double NAT", site: .doubled),
  ]

  static let all: [MatrixCell] = {
    let apart = kinds.flatMap { acceptor in
      kinds.map { inviter in
        let symmetric = [acceptor, inviter].filter(\.isSymmetric).count
        let isEasy = symmetric == 0 || symmetric == 1 && (acceptor.admitsAnyPort || inviter.admitsAnyPort)
        return MatrixCell(
          acceptor: acceptor.name, inviter: inviter.name, sites: [acceptor.site, inviter.site],
          reference: symmetric == 0 ? "yes" : "no", ice: isEasy ? "yes" : "no")
      }
    }
    return apart + [
      MatrixCell(
        acceptor: "same LAN", inviter: "same LAN", sites: [Lab.Site(nat: .portRestricted, hosts: 2)], reference: "no",
        ice: "yes"),
      MatrixCell(
        acceptor: "IPv6 only", inviter: "IPv6 only", sites: [.portRestricted, .portRestricted], isIPv6: true,
        reference: "no", ice: "yes"),
    ]
  }()
}
