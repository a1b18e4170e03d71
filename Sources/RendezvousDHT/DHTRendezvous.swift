import Datagrams
import Identity
import LibC
import Logging
import Rendezvous

/// Meets peers over OpenDHT, the network of the deployed tools.
public actor DHTRendezvous: Rendezvous {
  private enum Phase {
    case idle
    case running(DHTNode, keeper: Task<Void, Never>)
    case left
  }

  private let own: PeerIdentity
  private let configuration: DHTConfiguration
  private let subjects: MessageSubjects
  private let memory: ReplayMemory
  private let numbers: InviteNumbers
  private let directory: @Sendable (IdentityPattern) -> PeerDirectory
  private let unixSeconds: @Sendable () -> UInt64
  private let onEvent: @Sendable (DHTEvent) -> Void
  private let logger: Logger
  private let sealer: Sealer
  private let cache: NodeCache?

  private var phase = Phase.idle
  private var desks: [String: AnswerDesk] = [:]
  private var inboxes: [Int: ValueInbox] = [:]
  private var tasks: [Int: Task<Void, Never>] = [:]
  private var nextTask = 0

  /// Prepares to meet the peers of `repository` as `own`; nothing is sent before ``join(timeout:)``.
  ///
  /// - Parameter onEvent: called from any thread with what happens to the node.
  /// - Throws: ``RendezvousError`` with code `unusableKey`.
  public init(
    own: OwnIdentity, repository: ApplicationRepository, configuration: DHTConfiguration = DHTConfiguration(),
    subjects: MessageSubjects = MessageSubjects(), memory: ReplayMemory, numbers: InviteNumbers,
    onEvent: @escaping @Sendable (DHTEvent) -> Void = { _ in }, logger: Logger
  ) throws {
    try self.init(
      own: own, configuration: configuration, subjects: subjects, memory: memory, numbers: numbers,
      directory: { PeerDirectory(repository, matching: $0, logger: logger) },
      unixSeconds: { UInt64(clamping: time(nil)) }, onEvent: onEvent, logger: logger)
  }

  init(
    own: OwnIdentity, configuration: DHTConfiguration, subjects: MessageSubjects = MessageSubjects(),
    memory: ReplayMemory, numbers: InviteNumbers, directory: @escaping @Sendable (IdentityPattern) -> PeerDirectory,
    unixSeconds: @escaping @Sendable () -> UInt64, onEvent: @escaping @Sendable (DHTEvent) -> Void, logger: Logger
  ) throws {
    self.own = own.identity
    self.configuration = configuration
    self.subjects = subjects
    self.memory = memory
    self.numbers = numbers
    self.directory = directory
    self.unixSeconds = unixSeconds
    self.onEvent = onEvent
    self.logger = logger
    sealer = try Sealer(privateKeyPEM: own.privateKeyPEM)
    cache = configuration.cacheFolder.map { folder in
      NodeCache(folder: folder, configuration: configuration, unixSeconds: unixSeconds, logger: logger)
    }
  }

  // MARK: Joining and leaving

  /// Long enough for three greetings and an answer from the other side of the world.
  private static let turnOfAddress: Duration = .milliseconds(1500)

  /// Starts the node and returns when the first other node has answered.
  ///
  /// - Throws: ``RendezvousError`` with code `portTaken`, `cannotStart` or `notJoined`. After the last the node is stopped;
  ///   joining can be tried again.
  public func join(timeout: Duration) async throws {
    guard case .idle = phase else { throw RendezvousError(.notRunning, "the DHT node was started before") }
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
    let board = StatusBoard()
    let node = try startNode(board, address4: address4)
    let cache = cache
    let bootstrapper = Bootstrapper(
      node: node, configuration: configuration, knownNodes: { cache?.load() ?? [] }, onEvent: onEvent)
    let keeper = Task {
      await withTaskGroup(of: Void.self) { group in
        group.addTask { await bootstrapper.run(board) }
        group.addTask { await cache?.keep(node, board) }
      }
    }
    phase = .running(node, keeper: keeper)
    let connected = await withTaskGroup { group in
      group.addTask {
        await board.wait { $0 == .connected }
        return !Task.isCancelled
      }
      group.addTask {
        try? await Task.sleep(for: timeout)
        return false
      }
      defer { group.cancelAll() }
      return await group.next() ?? false
    }
    if connected, case .running = phase { return onEvent(.connected) }
    if case .running = phase { phase = .idle }
    keeper.cancel()
    await keeper.value
    node.stop()
    try Task.checkCancellation()
    throw notJoined(bootstrapper.attempts, timeout)
  }

  /// Ends everything; returns when no thread of the node runs any more.
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
    let wanted: UInt16
    var mayTakeAnother = false
    switch configuration.port {
    case .fixed(let port): wanted = port
    case .preferred(let port): (wanted, mayTakeAnother) = (port, true)
    }
    var parameters = DHTNode.Parameters(
      port: wanted, address4: address4?.description, address6: configuration.address6?.description,
      network: configuration.network, serves: false)
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

  // MARK: Inviting

  /// Looks up the nodes that will keep the invite and the answer.
  public func prepare(toInvite peer: PeerIdentity, application: String) {
    guard case .running(let node, _) = phase else { return }
    desk(for: application, on: node).prepare()
    node.warm(key(to: peer, application, subjects.invite))
    node.warm(key(to: peer, application, subjects.companion(of: subjects.invite)))
  }

  /// Puts the invite and waits for what the peer says.
  public func invite(
    _ peer: PeerIdentity, application: String, reference: Reference, timeout: Duration
  ) async throws -> Answer {
    let node = try runningNode()
    let id = try numbers.next(from: own.certificateID, to: peer.certificateID, now: unixSeconds())
    var logger = logger
    logger[metadataKey: "peer"] = "\(peer.name)"
    let attempt = InviteAttempt(
      peer: peer, reference: reference, node: node, desk: desk(for: application, on: node),
      inbox: ValueInbox(logger: logger), sealer: sealer, memory: memory,
      key: key(to: peer, application, subjects.invite),
      companionKey: key(to: peer, application, subjects.companion(of: subjects.invite)), own: own.certificateID,
      application: application, unixSeconds: unixSeconds, logger: logger, firstID: id,
      numbers: numbers)
    let answer = try await withThrowingTaskGroup { group in
      group.addTask { try await attempt.run() }
      group.addTask {
        try await Task.sleep(for: timeout)
        throw self.unanswered(peer, timeout)
      }
      defer { group.cancelAll() }
      return try await group.next() ?? nil
    }
    guard let answer else { throw Self.notRunning }
    return answer
  }

  private nonisolated func unanswered(_ peer: PeerIdentity, _ timeout: Duration) -> RendezvousError {
    RendezvousError(
      .unanswered,
      "\(peer.name) did not answer within \(Int(timeout.milliseconds / 1000)) s; check that it accepts with the same "
        + "application id and DHT network, and that its repository holds the certificate of \(own.name)")
  }

  /// The desk of an application, made when it is first needed.
  private func desk(for application: String, on node: DHTNode) -> AnswerDesk {
    if let desk = desks[application] { return desk }
    let keys = [subjects.accept, subjects.companion(of: subjects.accept), subjects.decline].map { subject in
      DHTKey(recipient: own.certificateID, application: application, subject: subject)
    }
    let desk = AnswerDesk(node: node, keys: keys)
    desks[application] = desk
    return desk
  }

  // MARK: Accepting

  /// Invites that are verified, decrypted and new. A stream that is not read keeps the 64 oldest.
  public nonisolated func invitations(
    application: String, from peers: IdentityPattern
  ) -> AsyncThrowingStream<Invitation, any Error> {
    let (stream, feed) = AsyncThrowingStream.makeStream(of: Invitation.self, bufferingPolicy: .bufferingOldest(64))
    let inbox = ValueInbox(logger: logger)
    // Ends the receiver however the stream ends; closing twice does nothing.
    feed.onTermination = { _ in inbox.close() }
    Task {
      do {
        try await receive(application, from: peers, inbox: inbox, feed: feed)
      } catch {
        feed.finish(throwing: error)
      }
    }
    return stream
  }

  /// Starts the receiver; the task that runs it is ours, so that ``leave()`` can wait for it.
  private func receive(
    _ application: String, from peers: IdentityPattern, inbox: ValueInbox,
    feed: AsyncThrowingStream<Invitation, any Error>.Continuation
  ) throws {
    let receiver = InviteReceiver(
      own: own, application: application, subjects: subjects, directory: directory(peers), node: try runningNode(),
      sealer: sealer, memory: memory, unixSeconds: unixSeconds, logger: logger, inbox: inbox)
    let number = keep {
      await receiver.run { invitation in
        if case .dropped = feed.yield(invitation) {
          receiver.logger.warning(
            "too many invites wait: one was lost",
            metadata: ["event": "invite.queue-full", "peer": "\(invitation.peer.name)"])
        }
      }
      feed.finish()
    }
    inboxes[number] = inbox
  }

  /// Puts the answer where the inviter looks, and again by ``PutPlan``.
  ///
  /// Who sent a companion and gets a supplement gets it in a companion, and no line: so both know by which of the two they meet.
  public func answer(_ invitation: Invitation, with answer: Answer) throws {
    let node = try runningNode()
    let (text, subject) = text(of: answer, to: invitation)
    let sealer = sealer
    let key = key(to: invitation.peer, invitation.application, subject)
    let first = try sealer.seal(text, to: invitation.peer, id: invitation.id)
    keep { try? await node.putByPlan(first, at: key, sealer: sealer) }
  }

  private func text(of answer: Answer, to invitation: Invitation) -> (text: String, subject: String) {
    switch answer {
    case .accept(let reference):
      let companion = CompanionMessage(
        .accept(question: invitation.reference.puzzle),
        binding: CompanionMessage.Binding(
          sender: own.certificateID, recipient: invitation.peer.certificateID, application: invitation.application,
          invite: invitation.id), time: unixSeconds(), reference: reference)
      guard invitation.reference.supplement.text != nil, let text = companion.text else {
        return (reference.line, subjects.accept)
      }
      return (text, subjects.companion(of: subjects.accept))
    case .decline(let reason):
      return (DeclineNotice(reason: reason, puzzle: invitation.reference.puzzle).line, subjects.decline)
    }
  }

  // MARK: Presence

  /// Puts the notice, and once more; returns when the nodes have it.
  public func announce(to peer: PeerIdentity, application: String) async throws {
    let node = try runningNode()
    let id = try numbers.next(from: own.certificateID, to: peer.certificateID, now: unixSeconds())
    let key = key(to: peer, application, subjects.advent)
    let first = try sealer.seal(AdventNotice.line, to: peer, id: id)
    for value in [first, try sealer.reseal(first, id: id, edition: 1)] {
      let (puts, feed) = AsyncStream.makeStream(of: Void.self)
      node.put(value, at: key) { _ in feed.finish() }
      await withTaskGroup { group in
        group.addTask { for await _ in puts {} }
        // OpenDHT waits 3 s for each silent node.
        group.addTask { try? await Task.sleep(for: .seconds(4)) }
        await group.next()
        group.cancelAll()
      }
      try Task.checkCancellation()
    }
  }

  /// Notices that are verified, decrypted and new; the DHT keeps them for ten minutes. A stream that is not read keeps the 64 oldest.
  public nonisolated func advents(
    application: String, from peers: IdentityPattern
  ) -> AsyncThrowingStream<Advent, any Error> {
    let (stream, feed) = AsyncThrowingStream.makeStream(of: Advent.self, bufferingPolicy: .bufferingOldest(64))
    let inbox = ValueInbox(logger: logger)
    feed.onTermination = { _ in inbox.close() }
    Task {
      do {
        try await receiveAdvents(application, from: peers, inbox: inbox, feed: feed)
      } catch {
        feed.finish(throwing: error)
      }
    }
    return stream
  }

  private func receiveAdvents(
    _ application: String, from peers: IdentityPattern, inbox: ValueInbox,
    feed: AsyncThrowingStream<Advent, any Error>.Continuation
  ) throws {
    let receiver = AdventReceiver(
      own: own, application: application, subjects: subjects, directory: directory(peers), node: try runningNode(),
      sealer: sealer, memory: memory, unixSeconds: unixSeconds, logger: logger, inbox: inbox)
    let number = keep {
      await receiver.run { feed.yield($0) }
      feed.finish()
    }
    inboxes[number] = inbox
  }

  // MARK: Shared

  private static let notRunning = RendezvousError(.notRunning, "the DHT node does not run; join the DHT first")

  private func runningNode() throws -> DHTNode {
    guard case .running(let node, _) = phase else { throw Self.notRunning }
    return node
  }

  private func key(to peer: PeerIdentity, _ application: String, _ subject: String) -> DHTKey {
    DHTKey(recipient: peer.certificateID, application: application, subject: subject)
  }

  /// Runs `work` as a task that ``leave()`` cancels and waits for.
  @discardableResult
  private func keep(_ work: @escaping @Sendable () async -> Void) -> Int {
    nextTask += 1
    let number = nextTask
    tasks[number] = Task {
      await work()
      self.forget(number)
    }
    return number
  }

  private func forget(_ number: Int) {
    tasks[number] = nil
    inboxes[number] = nil
  }
}
