import DatagramSockets
import Datagrams
import FoundationEssentials
import Glibc
import Identity
import Logging
import PlexusTesting
import Rendezvous
import Synchronization
import Testing

@testable import RendezvousDHT

@Suite("Joining the DHT again", .timeLimit(.minutes(2)))
struct DHTRejoinTests {
  @Test("Who was joined before needs no bootstrap host")
  func warmCache() async throws {
    try await withSilentHost { dead in
      try await TestNetwork.run { network in
        try await withTemporaryFolder { folder in
          let cache = "\(folder)/cache/plexus"
          _ = try await timeToJoin(network, cache: cache)
          _ = try await timeToJoin(network, bootstrap: [dead], cache: cache)
        }
      }
    }
  }

  @Test("The bootstrap hosts are greeted even where a known node answers first")
  func island() async throws {
    let host = try await UDPSocket.bind(to: Endpoint(address: .v4(0x7F00_0001), port: 0))
    // A name, so that the known node answers while it is looked up.
    let named = HostAndPort(host: "localhost", port: host.localEndpoint.port)
    try await TestNetwork.run { network in
      try await withTemporaryFolder { folder in
        let known = Endpoint(address: .v4(0x7F00_0001), port: network.bootstrap.port)
        try write(KnownNodes(good: [known], now: network.now), to: cacheFile(network, folder))
        _ = try await timeToJoin(network, bootstrap: [named], cache: folder) {
          let greeting = try await host.receive(until: MonotonicClock.now.advanced(by: .seconds(30)))
          #expect(greeting != nil)
        }
      }
    }
    await host.close()
  }

  @Test("The nodes are saved while the node runs, too, so that a crash does not lose them")
  func savedWhileRunning() async throws {
    try await TestNetwork.run { network in
      try await withTemporaryFolder { folder in
        let file = cacheFile(network, folder)
        _ = try await timeToJoin(network, cache: folder) {
          let deadline = ContinuousClock.now + .seconds(30)
          while access(file, F_OK) != 0, ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(20)) }
          #expect(KnownNodes(text: try String(contentsOfFile: file, encoding: .utf8))?.entries.count == 1)
        }
      }
    }
  }

  @Test("Other processes' nodes stay in the file, which nobody else can read")
  func sharedFile() async throws {
    try await TestNetwork.run { network in
      try await withTemporaryFolder { folder in
        let file = cacheFile(network, folder)
        let other = Endpoint(address: .v4(0x7F00_0002), port: 4222)
        try write(KnownNodes(good: [other], now: network.now - 60), to: file)
        _ = try await timeToJoin(network, cache: folder)
        let nodes = try #require(KnownNodes(text: String(contentsOfFile: file, encoding: .utf8)))
        #expect(nodes.endpoints == [Endpoint(address: .v4(0x7F00_0001), port: network.bootstrap.port), other])
        #expect(try mode(file) == 0o600)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["dht-nodes-\(network.id)"])
      }
    }
  }

  @Test("A folder that is missing is made for the user alone")
  func folder() async throws {
    try await TestNetwork.run { network in
      try await withTemporaryFolder { folder in
        _ = try await timeToJoin(network, cache: folder + "/cache/plexus")
        #expect(try mode(folder + "/cache/plexus") == 0o700)
      }
    }
  }

  @Test("A file full of dead nodes keeps nobody from a live bootstrap host")
  func deadCache() async throws {
    try await withSilentHost { dead in
      try await TestNetwork.run { network in
        try await withTemporaryFolder { folder in
          let file = cacheFile(network, folder)
          let port = try #require(dead.port)
          let gone = (1...UInt32(KnownNodes.atMost)).map { Endpoint(address: .v4(0x7F00_0100 + $0), port: port) }
          try write(KnownNodes(good: gone, now: network.now), to: file)
          _ = try await timeToJoin(network, cache: folder)
          // The one that lives has taken the place of one that may not.
          let nodes = try #require(KnownNodes(text: String(contentsOfFile: file, encoding: .utf8)))
          #expect(nodes.entries.count == KnownNodes.atMost)
          #expect(nodes.endpoints.first?.port == network.bootstrap.port)
        }
      }
    }
  }

  @Test(
    "A file that is not as we write it is ignored with a debug line, and replaced",
    arguments: [
      "", "plexus-dht-nodes 2\n", "plexus-dht-nodes 1\n1 127.0.0.1", "plexus-dht-nodes 1\n-1 127.0.0.1:1\n",
      "plexus-dht-nodes 1\n1 localhost:1\n", "plexus-dht-nodes 1\n+1 127.0.0.1:1\n", "\u{0}\n\u{0}\n",
      String(repeating: "plexus", count: 2000),
    ])
  func damagedFile(_ text: String) async throws {
    try await TestNetwork.run { network in
      try await withTemporaryFolder { folder in
        let file = cacheFile(network, folder)
        try Data(text.utf8).write(to: URL(filePath: file))
        try #require(chmod(file, 0o600) == 0)
        let log = LogRecorder()
        _ = try await timeToJoin(network, cache: folder, log: log)
        #expect(log.count(of: "event=dht.cache-ignored") > 0)
        #expect(KnownNodes(text: try String(contentsOfFile: file, encoding: .utf8))?.entries.count == 1)
      }
    }
  }

  @Test("A file that others can write, a link and a FIFO are not read")
  func foreignFile() async throws {
    try await withTemporaryFolder { folder in
      let nodes = KnownNodes(good: [Endpoint(address: .v4(0x7F00_0001), port: 1)], now: 1)
      let file = NodeCacheFile(folder: folder, name: "nodes")
      try file.write(nodes.text)
      #expect(try file.read() == nodes.text)
      try #require(chmod(file.path, 0o622) == 0)
      #expect(throws: NodeCacheFile.Failure.self) { try file.read() }
      try #require(chmod(file.path, 0o600) == 0)
      try #require(symlink(file.path, folder + "/link") == 0)
      #expect(throws: NodeCacheFile.Failure.self) { try NodeCacheFile(folder: folder, name: "link").read() }
      try #require(mkfifo(folder + "/pipe", 0o600) == 0)
      #expect(throws: NodeCacheFile.Failure.self) { try NodeCacheFile(folder: folder, name: "pipe").read() }
      #expect(try NodeCacheFile(folder: folder, name: "none").read() == nil)
    }
  }

  @Test("A folder that cannot be made is a debug line")
  func noFolder() async throws {
    try await TestNetwork.run { network in
      let log = LogRecorder()
      _ = try await timeToJoin(network, cache: "/dev/null/plexus", log: log)
      #expect(log.count(of: "event=dht.cache-unwritable") == 1)
    }
  }

  @Test("Writers at the same time leave one's file or the other's, and nothing else")
  func manyWriters() async throws {
    try await withTemporaryFolder { folder in
      let file = NodeCacheFile(folder: folder, name: "nodes")
      let texts = (1...8).map { KnownNodes(good: [Endpoint(address: .v4(0x0A00_0001), port: $0)], now: 1).text }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for text in texts {
          group.addTask {
            for _ in 0..<50 {
              try file.write(text)
              let read = try file.read()
              #expect(texts.contains { $0 == read })
            }
          }
        }
        try await group.waitForAll()
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["nodes"])
    }
  }

  @Test("Only unicast addresses of the socket's families are greeted, and loopback only by a network that is there")
  func permittedAddresses() async throws {
    let texts = [
      "127.0.0.1:4222", "198.51.100.7:4222", "192.168.0.7:4222", "224.0.0.1:4222", "255.255.255.255:4222",
      "0.0.0.0:4222",
      "169.254.0.1:4222", "198.51.100.7:0", "[2001:db8::7]:4222", "[fe80::1]:4222", "[::1]:4222", "[ff02::1]:4222",
      "[::ffff:127.0.0.1]:4222",
    ]
    let all = texts.compactMap { Endpoint($0) }
    try #require(all.count == texts.count)
    func kept(_ bootstrap: String, address6: IPAddress?) async throws -> Set<String> {
      try await withTemporaryFolder { folder in
        let cache = NodeCache(
          folder: folder,
          configuration: DHTConfiguration(bootstrap: [HostAndPort(host: bootstrap, port: nil)], address6: address6),
          unixSeconds: { 1000 }, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        // Not by `save`, which would not write them.
        try write(KnownNodes(good: all, now: 1000), to: "\(folder)/dht-nodes-0")
        return Set(cache.load().map(\.description))
      }
    }
    let global: Set = ["198.51.100.7:4222", "192.168.0.7:4222"]
    #expect(try await kept("example.org", address6: nil) == global)
    #expect(try await kept("example.org", address6: .unspecified(.v6)) == global.union(["[2001:db8::7]:4222"]))
    #expect(try await kept("127.0.0.1", address6: nil) == global.union(["127.0.0.1:4222"]))
  }

  @Test("The newest nodes are kept: 64 in all, eight of an address, none for more than a month or from the future")
  func bounds() throws {
    var nodes = KnownNodes()
    let now = KnownNodes.keptFor + 1000
    for age in 0..<UInt64(200) {
      nodes.note(good: [Endpoint(address: .v4(0x0A00_0000 + UInt32(age)), port: 1)], now: now - age)
    }
    nodes.note(good: (1...20).map { Endpoint(address: .v4(0x0B00_0000), port: $0) }, now: now)
    nodes.note(good: [Endpoint(address: .v4(0x0C00_0000), port: 1)], now: now + 1)
    nodes.note(good: [Endpoint(address: .v4(0x0C00_0000), port: 2)], now: 999)
    nodes.tidy(now: now) { _ in true }
    #expect(nodes.entries.count == KnownNodes.atMost)
    #expect(nodes.endpoints.count { $0.address == .v4(0x0B00_0000) } == KnownNodes.perAddress)
    #expect(!nodes.endpoints.contains { $0.address == .v4(0x0C00_0000) })
    #expect(nodes.entries.map(\.lastGood) == nodes.entries.map(\.lastGood).sorted(by: >))
    #expect(nodes.text.utf8.count <= KnownNodes.bytesAtMost)
    #expect(KnownNodes(text: nodes.text) == nodes)
  }

  @Test(
    "Twenty times from the start to joined, with one cached node that lives and a dead bootstrap host",
    .enabled(if: getenv("PLEXUS_MEASURE") != nil, "prints a measurement: set PLEXUS_MEASURE"))
  func measured() async throws {
    try await withSilentHost { dead in
      try await TestNetwork.run { network in
        try await withTemporaryFolder { folder in
          let port = try #require(dead.port)
          let gone = (1..<UInt32(KnownNodes.atMost)).map { Endpoint(address: .v4(0x7F00_0100 + $0), port: port) }
          let lives = Endpoint(address: .v4(0x7F00_0001), port: network.bootstrap.port)
          var times: [Duration] = []
          for _ in 1...20 {
            // The one that lives is the last of 64.
            try write(KnownNodes(good: gone + [lives], now: network.now), to: cacheFile(network, folder))
            times.append(try await timeToJoin(network, bootstrap: [dead], cache: folder))
          }
          let sorted = times.sorted().map { ($0 / .milliseconds(0.1)).rounded() / 10 }
          print("start to joined, 20 runs: median \(sorted[10]) ms, most \(sorted[19]) ms")
        }
      }
    }
  }

  /// Joins and leaves; the time that joining took.
  private func timeToJoin(
    _ network: TestNetwork, bootstrap: [HostAndPort]? = nil, cache: String, log: LogRecorder? = nil,
    beforeLeaving body: @Sendable () async throws -> Void = {}
  ) async throws -> Duration {
    var configuration = network.configuration
    configuration.bootstrap = bootstrap ?? configuration.bootstrap
    configuration.cacheFolder = cache
    let logger = Logger(label: "test") { _ in log ?? LogRecorder() }
    let rendezvous = try DHTRendezvous(
      own: Cast.bob.get(), repository: ApplicationRepository(path: Cast.folder()), configuration: configuration,
      memory: ReplayMemory(), numbers: InviteNumbers(), logger: logger)
    let start = ContinuousClock.now
    try await rendezvous.join(timeout: .seconds(20))
    let time = start.duration(to: .now)
    do {
      try await body()
    } catch {
      await rendezvous.leave()
      throw error
    }
    await rendezvous.leave()
    return time
  }
}

/// A host that takes datagrams and says nothing.
private func withSilentHost(_ body: (HostAndPort) async throws -> Void) async throws {
  let socket = try await UDPSocket.bind(to: Endpoint(address: .v4(0x7F00_0001), port: 0))
  do {
    try await body(HostAndPort(host: "127.0.0.1", port: socket.localEndpoint.port))
  } catch {
    await socket.close()
    throw error
  }
  await socket.close()
}

extension KnownNodes {
  fileprivate init(good: [Endpoint], now: UInt64) {
    self.init()
    note(good: good, now: now)
  }
}

private func cacheFile(_ network: TestNetwork, _ folder: String) -> String { "\(folder)/dht-nodes-\(network.id)" }

private func write(_ nodes: KnownNodes, to file: String) throws {
  try Data(nodes.text.utf8).write(to: URL(filePath: file))
  try #require(chmod(file, 0o600) == 0)
}

private func mode(_ path: String) throws -> mode_t {
  var status = stat()
  try #require(stat(path, &status) == 0)
  return status.st_mode & 0o777
}
