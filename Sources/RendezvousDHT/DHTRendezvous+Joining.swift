import Datagrams
import Rendezvous

// Joining the network, and leaving it.
extension DHTRendezvous {
  /// Long enough for three greetings and an answer from the other side of the world.
  private static let turnOfAddress: Duration = .milliseconds(1500)

  /// Starts the node and returns when the first other node has answered.
  ///
  /// - Throws: ``RendezvousError`` with code `portTaken`, `cannotStart` or `notJoined`. After the last the node is stopped;
  ///   joining can be tried again. Code `notRunning` when the node was started before, or when ``leave()`` comes meanwhile.
  public func join(timeout: Duration) async throws {
    var left = timeout
    // An uplink that is dead, though it is the preferred one, must not keep out those that are not.
    for address in [configuration.address4] + configuration.alternatives4
    where !configuration.alternatives4.isEmpty && left > Self.turnOfAddress * 2 {
      left -= Self.turnOfAddress
      do { return try await join(from: address, timeout: Self.turnOfAddress) } catch let error as RendezvousError {
        guard error.code == .notJoined || address != configuration.address4 else { throw error }
      }
    }
    try await join(from: configuration.address4, timeout: left)
  }

  private func join(from address4: IPAddress?, timeout: Duration) async throws {
    // Before each node: whoever leaves between two tries, or joins, finds none that it could end.
    try checkIdle()
    let board = StatusBoard()
    let node = try startNode(board, address4: address4)
    let cache = cache
    let bootstrapper = Bootstrapper(
      node: node, configuration: configuration, knownNodes: { cache?.load() ?? [] }, onEvent: onEvent)
    let uplinks = UplinkKeeper(
      node: node, board: board, configuration: configuration, greet: { await bootstrapper.greetAll(board) },
      logger: logger)
    let keeper = Task {
      await withTaskGroup(of: Void.self) { group in
        group.addTask { await bootstrapper.run(board) }
        group.addTask { await cache?.keep(node, board) }
        group.addTask { await uplinks.run(from: address4) }
      }
    }
    phase = .running(node, keeper: keeper)
    let connected = await board.isConnected(within: timeout)
    if connected, case .running = phase { return onEvent(.connected) }
    if case .running = phase { phase = .idle }
    keeper.cancel()
    await keeper.value
    node.stop()
    try Task.checkCancellation()
    try checkIdle()
    throw notJoined(bootstrapper.attempts, timeout)
  }

  /// Makes sure that a node may be started.
  private func checkIdle() throws {
    switch phase {
    case .idle: break
    case .running: throw RendezvousError(.notRunning, "the DHT node was started before")
    case .left: throw RendezvousError(.notRunning, "the DHT was left; make another rendezvous to join it again")
    }
  }

  /// Ends everything, a ``join(timeout:)`` that is under way as well; returns when no thread of the node runs any more.
  public func leave() async {
    guard case .running(let node, let keeper) = phase else {
      phase = .left
      return
    }
    phase = .left
    keeper.cancel()
    for desk in desks.values { desk.close() }
    for inbox in inboxes.values { inbox.close() }
    for task in tasks.values { task.cancel() }
    for task in tasks.values { await task.value }
    await keeper.value
    // An inviter may have been here for a second only.
    cache?.save(node.goodNodes())
    node.stop()
  }

  private func startNode(_ board: StatusBoard, address4: IPAddress?) throws -> DHTNode {
    var (parameters, mayTakeAnother) = configuration.clientParameters(address4: address4)
    let wanted = parameters.port
    do {
      let node = try DHTNode(parameters, onStatus: board.post)
      onEvent(.started(port: node.port, instead: nil))
      return node
    } catch  where error.isPortTaken && mayTakeAnother {
      parameters.port = 0
      do {
        let node = try DHTNode(parameters, onStatus: board.post)
        onEvent(.started(port: node.port, instead: wanted))
        return node
      } catch {
        throw cannotStart(error)
      }
    } catch  where error.isPortTaken {
      throw RendezvousError(
        .portTaken,
        "UDP port \(wanted) for the DHT is taken by another program; choose another by --dht-port, or 0 for any")
    } catch {
      throw cannotStart(error)
    }
  }

  private func cannotStart(_ failure: DHTNode.StartFailure) -> RendezvousError {
    RendezvousError(
      .cannotStart, "the DHT node cannot be started: \(failure.reason); check the local address and --dht-port")
  }

  private func notJoined(_ tried: Bootstrapper.Tried, _ timeout: Duration) -> RendezvousError {
    let hosts = configuration.bootstrap
    guard !hosts.isEmpty || tried.known > 0 else {
      return RendezvousError(
        .notJoined,
        "DHT not joined: there is no bootstrap host, and no node is known from before; give a host by --dht-bootstrap")
    }
    let silent = hosts.filter { tried.notFound[$0] == nil }.map { host in
      HostAndPort(host: host.host, port: host.port ?? DHTConfiguration.defaultPort).description
    }
    let known = tried.known == 1 ? "the node known from before" : "the \(tried.known) nodes known from before"
    let asked = [silent.joined(separator: ", "), tried.known > 0 ? known : ""].filter { !$0.isEmpty }
    var parts = tried.notFound.sorted { $0.key.host < $1.key.host }
      .map { "\($0.key.host) was not found (\($0.value))" }
    if !asked.isEmpty {
      let seconds = timeout.milliseconds / 1000
      let rounded = seconds.rounded() == seconds ? "\(Int(seconds))" : "\(seconds)"
      parts.insert("none of \(asked.joined(separator: " and ")) answered within \(rounded) s", at: 0)
    }
    return RendezvousError(
      .notJoined,
      "DHT not joined: \(parts.joined(separator: "; ")); check the network and --dht-bootstrap, "
        + "--dht-network \(configuration.network), and that UDP may leave this host")
  }
}
