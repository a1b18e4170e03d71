import ArgumentParser
import FoundationEssentials
import LibC
import PlexusTesting

/// Connects every kind of network with every other, symmetric NATs too, and prints the table of docs/measurements.md.
struct MatrixCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "matrix", abstract: "Connect every kind of network with every other, and print a table.",
    discussion: "Runs the plexus that lies beside this program, in network namespaces, with the kernel's NATs.")

  @Option(help: "Connects of each cell.")
  var connects = 20

  @Option(help: "Play only cells whose name contains this text, such as 'symmetric, random x open'; may be repeated.")
  var cell: [String] = []

  func run() async throws {
    try requireLab()
    print(
      "| acceptor | inviter | connects | median | slowest | datagrams, median | most | peak a second | plexus 3.2 | plain ICE |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    var failures: [String] = []
    for candidate in MatrixCell.all where cell.isEmpty || cell.contains(where: candidate.name.contains) {
      let result = try await connect(candidate, count: connects)
      let words = [
        candidate.acceptor, candidate.inviter, "\(result.seconds.count) of \(result.connects)", text(result.median),
        text(result.seconds.max()), result.datagrams.sorted().middle.map { "\($0)" } ?? "–",
        result.datagrams.max().map { "\($0)" } ?? "–", result.peaks.max().map { "\($0)" } ?? "–",
        candidate.reference, candidate.ice,
      ]
      print("| \(words.joined(separator: " | ")) |")
      fflush(nil)
      failures += result.failures.map { "\(candidate.name): \($0)" }
    }
    for failure in failures { print(failure) }
  }

  private func text(_ seconds: Double?) -> String { seconds.map { "\(($0 * 100).rounded() / 100) s" } ?? "–" }

  private func connect(_ cell: MatrixCell, count: Int) async throws -> MatrixResult {
    // Where one side has IPv6 only, the other has both.
    try await withLab(sites: cell.sites) { lab in
      let acceptor = try await PlexusPeer("acceptor", on: lab.host(0), in: lab)
      let inviter = try await PlexusPeer("inviter", on: lab.host(1), in: lab)
      try acceptor.befriend(inviter)
      func log(of peer: PlexusPeer) -> [String] { ["--log-file", "\(peer.host.directory)/log"] }
      return try await acceptor.withAcceptor(options: log(of: acceptor)) { _ in
        var result = MatrixResult()
        for _ in 0..<(cell.isHopeless ? min(count, 2) : count) {
          result.connects += 1
          let made = acceptor.passages.count
          let start = Self.realTime()
          let run = try await inviter.host.run(
            "plexus",
            arguments: inviter.inviting(acceptor) + log(of: inviter),
            deadline: .seconds(100))
          guard run.exit == .exited(0) else {
            result.failures.append(String(run.errors.suffix(300)))
            continue
          }
          guard let theirs = try? await acceptor.waitForPassages(made + 1, with: inviter) else {
            result.failures.append("the acceptor has no passage")
            continue
          }
          let latest = [theirs.last, inviter.passages.last].compactMap { $0.map { $0.started - start } }
          if let latest = latest.max() { result.seconds.append(Double(latest) / 1e9) }
        }
        for peer in [acceptor, inviter] { result.note(logOf: peer) }
        return result
      }
    }
  }

  /// Nanoseconds since 1970, as the payloads write them.
  private static func realTime() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}

/// What came of the connects of one cell.
private struct MatrixResult {
  var connects = 0
  var seconds: [Double] = []
  var failures: [String] = []
  var datagrams: [Int] = []

  var peaks: [Int] = []

  var median: Double? { seconds.sorted().middle }

  /// Reads what a peer's log says of its searches.
  mutating func note(logOf peer: PlexusPeer) {
    guard let data = FileManager.default.contents(atPath: "\(peer.host.directory)/log") else { return }
    let found = String(decoding: data, as: UTF8.self).split(separator: "\n").filter { $0.contains("path.found") }
    for line in found {
      if let sent = Self.field("sent", of: line) { datagrams.append(sent) }
      if let peak = Self.field("peak", of: line) { peaks.append(peak) }
    }
  }

  private static func field(_ name: String, of line: Substring) -> Int? {
    line.split(separator: " ").first { $0.hasPrefix("\(name)=") }.flatMap { Int($0.dropFirst(name.count + 1)) }
  }
}

extension Array {
  fileprivate var middle: Element? { isEmpty ? nil : self[count / 2] }
}

/// A cell of the matrix.
private struct MatrixCell {
  let acceptor: String
  let inviter: String
  let sites: [Lab.Site]
  /// Neither side's ports can be known; each connect takes seconds to say so.
  var isHopeless = false
  /// What the C++ tools and ICE without relays do, by their designs.
  let reference: String
  let ice: String

  var name: String { "\(acceptor) x \(inviter)" }

  private struct Kind {
    let name: String
    let site: Lab.Site
    var isSymmetric = false
    var admitsAnyPort = false
    var isIPv6Only: Bool { site.families == .ipv6Only }
  }

  private static let kinds = [
    Kind(name: "open", site: .open, admitsAnyPort: true), Kind(name: "full cone", site: .fullCone, admitsAnyPort: true),
    Kind(name: "address-restricted", site: .addressRestricted, admitsAnyPort: true),
    Kind(name: "port-restricted", site: .portRestricted),
    Kind(name: "symmetric, sequential", site: .symmetricSequential, isSymmetric: true),
    Kind(name: "symmetric, random", site: .symmetric, isSymmetric: true), Kind(name: "double NAT", site: .doubled),
    Kind(name: "IPv6 only", site: .ipv6Only),
  ]

  static let all: [MatrixCell] = {
    let apart = kinds.flatMap { acceptor in
      kinds.map { inviter in
        let overIPv6 = acceptor.isIPv6Only || inviter.isIPv6Only
        // The NATs of the other side are those of its IPv4.
        let symmetric = overIPv6 ? 0 : [acceptor, inviter].filter(\.isSymmetric).count
        let isEasy = symmetric == 0 || symmetric == 1 && (acceptor.admitsAnyPort || inviter.admitsAnyPort)
        return MatrixCell(
          acceptor: acceptor.name, inviter: inviter.name, sites: [acceptor.site, inviter.site],
          isHopeless: symmetric == 2 && !(acceptor.site.hasSequentialPorts && inviter.site.hasSequentialPorts),
          reference: symmetric == 0 && !overIPv6 ? "yes" : "no", ice: isEasy ? "yes" : "no")
      }
    }
    return apart + [
      MatrixCell(
        acceptor: "same LAN", inviter: "same LAN", sites: [Lab.Site(nat: .portRestricted, hosts: 2)], reference: "no",
        ice: "yes")
    ]
  }()
}
