import Datagrams
import Identity
import Rendezvous
import Synchronization

/// Tries out the DHT: whether its hosts have addresses, a node joins, and what one node puts another one finds.
///
/// It takes two nodes of its own on any ports, so that an acceptor on this machine is not disturbed. What is put is signed and encrypted with a key that
/// exists for this run only, lies under a key that nobody else has, and is gone after ten minutes as all such values.
public struct DHTProbe: Sendable {
  /// Which DHT to try; its port and cache are left alone.
  public var configuration: DHTConfiguration
  /// It never takes longer by more than the half second in which nodes are ended.
  public var timeout: Duration

  /// What came of one host to start from.
  public struct Host: Sendable {
    /// The host.
    public var name: HostAndPort
    /// How many addresses it has.
    public var addresses: Int
    /// Why it has none.
    public var problem: String?
  }

  /// What came of it. What is nil or empty was not reached.
  public struct Report: Sendable {
    /// The hosts to start from.
    public var hosts: [Host] = []
    /// How long it took until the first node answered.
    public var joined: Duration?
    /// Nodes that answered, over IPv4 and over IPv6.
    public var nodes: (v4: Int, v6: Int) = (0, 0)
    /// Whether other nodes took a value.
    public var hasPut = false
    /// How long it took from the put until another node of ours had found the value.
    public var found: Duration?
    /// What the system refused.
    public var problem: String?
  }

  /// 8 s is what OpenDHT itself gives a silent node.
  public init(_ configuration: DHTConfiguration, timeout: Duration = .seconds(8)) {
    (self.configuration, self.timeout) = (configuration, timeout)
    self.configuration.cacheFolder = nil
  }

  /// Tries it out; cancellation ends it early.
  public func run() async -> Report {
    let deadline = ContinuousClock.now + timeout
    async let hosts = lookUp(within: timeout / 2)
    var report = Report()
    do {
      try await withNodes { writer, reader in
        // The key is made while the nodes join.
        async let own = Self.makeIdentity()
        let start = ContinuousClock.now
        guard await writer.join(until: deadline) else { return }
        report.joined = start.duration(to: .now)
        let (message, key) = try Self.message(to: try await own)
        guard await reader.join(until: deadline) else { return }
        let sent = ContinuousClock.now
        report.hasPut = await writer.put(message, at: key, until: deadline)
        if report.hasPut, await reader.find(message, at: key, until: deadline) {
          report.found = sent.duration(to: .now)
        }
        let nodes = writer.node.goodNodes() + reader.node.goodNodes()
        for family in IPAddress.Family.allCases {
          let count = Set(nodes.filter { $0.address.family == family }).count
          if family == .v4 { report.nodes.v4 = count } else { report.nodes.v6 = count }
        }
      }
    } catch let failure as DHTNode.StartFailure {
      report.problem = failure.reason
    } catch {
      report.problem = "\(error)"
    }
    report.hosts = await hosts
    return report
  }

  private func lookUp(within timeout: Duration) async -> [Host] {
    await withTaskGroup(of: (Int, Host).self) { group in
      for (index, name) in configuration.bootstrap.enumerated() {
        group.addTask { (index, await lookUp(name, within: timeout)) }
      }
      var found: [(Int, Host)] = []
      for await one in group { found.append(one) }
      return found.sorted { $0.0 < $1.0 }.map(\.1)
    }
  }

  private func lookUp(_ name: HostAndPort, within timeout: Duration) async -> Host {
    if IPAddress(name.host) != nil { return Host(name: name, addresses: 1) }
    return switch await resolve(host: name.host, withIPv6: configuration.address6 != nil, timeout: timeout) {
    case .success(let found): Host(name: name, addresses: found.count)
    case .failure(let failure): Host(name: name, addresses: 0, problem: failure.reason)
    }
  }

  private static func makeIdentity() async throws -> OwnIdentity { try OwnIdentity.temporary() }

  private static func message(to own: OwnIdentity) throws -> (SealedValue, DHTKey) {
    var random = SystemRandomNumberGenerator()
    let sealer = try Sealer(privateKeyPEM: own.privateKeyPEM)
    let key = DHTKey(
      recipient: own.identity.certificateID, application: "plexus doctor", subject: "\(random.next() as UInt64)")
    // Number 1 is for looking up nodes.
    return (try sealer.seal("probe", to: own.identity, id: .random(in: 2 ... .max, using: &random)), key)
  }

  private func withNodes(_ body: (ProbeNode, ProbeNode) async throws -> Void) async throws {
    let writer = try ProbeNode(configuration)
    defer { writer.node.stop() }
    let reader = try ProbeNode(configuration)
    defer { reader.node.stop() }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for node in [writer, reader] {
        let bootstrapper = Bootstrapper(node: node.node, configuration: configuration, onEvent: { _ in })
        group.addTask { await bootstrapper.run(node.board) }
      }
      defer { group.cancelAll() }
      try await body(writer, reader)
    }
  }
}

/// One of the two nodes. Nothing that it does takes longer than until a deadline.
private struct ProbeNode: Sendable {
  let node: DHTNode
  let board: StatusBoard

  init(_ configuration: DHTConfiguration) throws(DHTNode.StartFailure) {
    let board = StatusBoard()
    self.board = board
    node = try DHTNode(
      .init(
        port: 0, address4: configuration.address4?.description, address6: configuration.address6?.description,
        network: configuration.network, serves: false), onStatus: { board.post($0) })
  }

  /// Whether another node has answered.
  func join(until deadline: ContinuousClock.Instant) async -> Bool {
    await before(deadline) {
      await board.wait { $0 == .connected }
      return !Task.isCancelled
    }
  }

  /// Whether other nodes took a value.
  func put(_ value: SealedValue, at key: DHTKey, until deadline: ContinuousClock.Instant) async -> Bool {
    await before(deadline) {
      let (results, feed) = AsyncStream.makeStream(of: Bool.self)
      node.put(value, at: key) { succeeded in
        feed.yield(succeeded)
        feed.finish()
      }
      return await results.first { _ in true } ?? false
    }
  }

  /// Whether the value is found, asking again and again.
  func find(_ value: SealedValue, at key: DHTKey, until deadline: ContinuousClock.Instant) async -> Bool {
    await before(deadline) {
      while !Task.isCancelled {
        let (results, feed) = AsyncStream.makeStream(of: Bool.self, bufferingPolicy: .bufferingNewest(1))
        let digest = value.digest
        node.get(key, id: value.id) { found in
          if found.digest == digest { feed.yield(true) }
        } done: {
          feed.finish()
        }
        if await results.first(where: { $0 }) == true { return true }
        try? await Task.sleep(for: .milliseconds(200))
      }
      return false
    }
  }

  private func before(
    _ deadline: ContinuousClock.Instant, _ body: @Sendable @escaping () async -> Bool
  ) async -> Bool {
    await withTaskGroup(of: Bool.self) { group in
      group.addTask { await body() }
      group.addTask {
        try? await Task.sleep(until: deadline)
        return false
      }
      defer { group.cancelAll() }
      return await group.next() ?? false
    }
  }
}
