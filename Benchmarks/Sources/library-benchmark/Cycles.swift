import ArgumentParser
import CHeap
import Datagrams
import Foundation
import Identity
import Logging
import Metrics
import Plexus

/// Passages and streams again and again in one process: what is left behind each time adds up.
struct Cycles: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Invites, accepts, opens an encrypted stream, echoes a line and closes, again and again, in one process.")

  @Option(help: "How many.") var cycles = 1000
  @Option(help: "How many at once.") var atOnce = 4
  @Option(
    help: "Seconds to rest after each tenth. Our nodes keep values for two minutes, so memory is flat from then on.")
  var rest = 30
  @Flag(help: "Log everything on standard error.") var verbose = false
  @Flag(help: "Join the DHT anew for each invitation; all stay in the tables of the two other nodes then.")
  var joinEach = false

  func run() async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("plexus-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let servers = try ServerProcess()
    defer { servers.stop() }
    let (ann, bob) = try people(servers, in: folder)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        try await bob.accept(from: .any) { passage in
          let stream = try await passage.openStream()
          for try await bytes in stream { try await stream.write(bytes) }
          await stream.close()
        }
      }
      let joinEach = joinEach
      group.addTask {
        if joinEach { return try await measure(ann, bob.host) }
        try await ann.whileJoined { try await measure($0, bob.host) }
      }
      defer { group.cancelAll() }
      // Only the measuring ends by itself.
      try await group.next()
    }
  }

  private func people(_ servers: ServerProcess, in folder: String) throws -> (Plexus, Plexus) {
    var made: [Plexus] = []
    let names = ["ann@example.org/a", "bob@example.org/b"]
    let all = try ApplicationRepository(path: folder)
    for name in names { _ = try all.create(IdentityName(name), options: NewIdentityOptions(bits: 2048)) }
    for name in names {
      var configuration = PlexusConfiguration(
        application: "benchmark", stunServers: [HostAndPort(host: "127.0.0.1", port: servers.stunPort)],
        stateFolder: "\(folder)/state")
      configuration.localEndpoint = Endpoint(address: .v4(0x7F00_0001), port: 0)
      configuration.dht.bootstrap = [HostAndPort(host: "127.0.0.1", port: servers.dhtPort)]
      configuration.dht.network = servers.dhtNetwork
      configuration.dht.port = .fixed(0)
      configuration.dht.address4 = .v4(0x7F00_0001)
      configuration.dht.address6 = nil
      made.append(
        try Plexus(
          repository: all, host: IdentityName(name), configuration: configuration,
          logger: logger(name)))
    }
    return (made[0], made[1])
  }

  private func logger(_ name: String) -> Logger {
    guard verbose else { return Logger(label: "benchmark") { _ in SwiftLogNoOpLogHandler() } }
    var logger = Logger(label: name) { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = .trace
    return logger
  }

  private func measure(_ ann: Plexus, _ peer: IdentityName) async throws {
    print(
      "| cycles | failed | seconds | in use KB | resident KB | descriptors | threads |\n|---|---|---|---|---|---|---|")
    let start = ContinuousClock.now
    var failed = 0
    func row(_ done: Int) async throws {
      try await Task.sleep(for: .seconds(rest))
      let usage = Usage()
      let seconds = Int(start.duration(to: .now) / .seconds(1))
      print(
        "| \(done) | \(failed) | \(seconds) | \(usage.inUse) | \(usage.resident) | \(usage.descriptors) | \(usage.threads) |"
      )
    }
    let batch = max(cycles / 10, 1)
    var done = 0
    try await row(0)
    while done < cycles {
      failed += try await run(batch, ann, peer)
      done += batch
      try await row(done)
    }
  }

  private func run(_ count: Int, _ ann: Plexus, _ peer: IdentityName) async throws -> Int {
    try await withThrowingTaskGroup(of: Bool.self) { group in
      var (failed, started) = (0, 0)
      while started < count || !group.isEmpty {
        if started < count, started < atOnce {
          started += 1
          group.addTask { try await cycle(ann, peer) }
          continue
        }
        guard let worked = try await group.next() else { break }
        if !worked { failed += 1 }
        if started < count {
          started += 1
          group.addTask { try await cycle(ann, peer) }
        }
      }
      return failed
    }
  }

  private func cycle(_ ann: Plexus, _ peer: IdentityName) async throws -> Bool {
    do {
      let stream = try await ann.invite(peer).openStream()
      try await stream.write("hello")
      let isEchoed = try await stream.read()?.readableBytes == 5
      await stream.close()
      return isEchoed && stream.isEncrypted
    } catch let error as CancellationError {
      throw error
    } catch {
      print("  \(error)")
      return false
    }
  }
}

/// What the process holds.
private struct Usage {
  /// What was allocated and not given back; the rest of what is resident is code, and holes in the heap.
  var inUse = 0
  var resident = 0
  var threads = 0
  var descriptors = 0

  init() {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    for line in status.split(separator: "\n") {
      let number = line.split { $0 == " " || $0 == "\t" }.dropFirst().first.flatMap { Int($0) } ?? 0
      if line.hasPrefix("VmRSS:") { resident = number }
      if line.hasPrefix("Threads:") { threads = number }
    }
    inUse = heap_in_use() / 1024
    descriptors = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
  }
}
