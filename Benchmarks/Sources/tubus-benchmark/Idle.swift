import ArgumentParser
import Datagrams
import Glibc
import NIOCore
import NIOPosix
import Tubus

/// Many connections that do nothing, on one port.
struct Idle: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Memory and processor time of idle connections on one port.")

  @Option(help: "How many.") var connections = 1000
  @Option(help: "Seconds to watch them.") var seconds = 60
  @Flag(help: .hidden) var clients = false
  @Option(help: .hidden) var to: String?

  func run() async throws {
    if clients { return try await runClients() }
    let endpoint = try await TubusEndpoint.bind(to: Endpoint(address: .v4(0x7F00_0001), port: 0))
    let accepted = try await endpoint.listen { channel in channel.pipeline.addHandler(Sink()) }
    let before = residentKilobytes()
    let child = try spawnSelf([
      "idle", "--clients", "--to", "\(endpoint.localEndpoint)", "--connections", "\(connections)",
    ])
    var count = 0
    for await _ in accepted {
      count += 1
      if count == connections { break }
    }
    // Let the echoes of the linking settle.
    try await Task.sleep(for: .seconds(2))
    let after = residentKilobytes()
    print(
      "\(count) connections: \(after - before) KB more than before, \(Double(after - before) / Double(count)) KB each")
    let start = (processorSeconds(), try await endpoint.connectionCount(), contextSwitches())
    try await Task.sleep(for: .seconds(seconds))
    let end = (processorSeconds(), try await endpoint.connectionCount(), contextSwitches())
    print(
      "over \(seconds) s: \(end.0 - start.0) s of processor time, "
        + "\((end.2 - start.2) / seconds) wake-ups a second, \(end.1) of \(start.1) connections left")
    kill(child, SIGTERM)
    var status: CInt = 0
    waitpid(child, &status, 0)
    await endpoint.close()
  }

  /// Each from a port of its own, so that the other side sees as many peers.
  private func runClients() async throws {
    guard let peer = to.flatMap(Endpoint.init) else { throw ValidationError("--to wants address:port") }
    var endpoints: [TubusEndpoint] = []
    for _ in 0..<connections {
      let endpoint = try await TubusEndpoint.bind(to: .any(peer.address.family))
      _ = try await endpoint.connect(to: peer) { channel in channel.pipeline.addHandler(Sink()) }
      endpoints.append(endpoint)
    }
    try await Task.sleep(for: .seconds(86_400))
  }

  private func spawnSelf(_ arguments: [String]) throws -> pid_t {
    var child: pid_t = 0
    var words = ([CommandLine.arguments[0]] + arguments).map { strdup($0) } + [nil]
    let failure = posix_spawn(&child, "/proc/self/exe", nil, nil, &words, environ)
    words.forEach { free($0) }
    guard failure == 0 else {
      throw ValidationError("cannot start the other side: \(String(cString: strerror(failure)))")
    }
    return child
  }

  private func residentKilobytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 128)
    guard fgets(&line, 128, file) != nil else { return 0 }
    let words = String(decoding: line.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(separator: " ")
    return (words.count > 1 ? Int(words[1]) ?? 0 : 0) * 4
  }

  private func processorSeconds() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + Double(
      usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
  }

  private func contextSwitches() -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_nvcsw
  }
}
