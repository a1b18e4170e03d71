import Datagrams
import Identity
import LibC
import Logging
import Rendezvous

/// Meets peers over OpenDHT, the network of the deployed tools.
public actor DHTRendezvous: Rendezvous {
  enum Phase {
    case idle
    case running(DHTNode, keeper: Task<Void, Never>)
    case left
  }

  let own: PeerIdentity
  let configuration: DHTConfiguration
  let subjects: MessageSubjects
  let memory: ReplayMemory
  let numbers: InviteNumbers
  let directory: @Sendable (IdentityPattern) -> PeerDirectory
  let unixSeconds: @Sendable () -> UInt64
  let onEvent: @Sendable (DHTEvent) -> Void
  let logger: Logger
  let sealer: Sealer
  let cache: NodeCache?

  var phase = Phase.idle
  var desks: [String: AnswerDesk] = [:]
  var inboxes: [Int: ValueInbox] = [:]
  var tasks: [Int: Task<Void, Never>] = [:]
  var nextTask = 0

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

  // MARK: Shared

  static let notRunning = RendezvousError(.notRunning, "the DHT node does not run; join the DHT first")

  func runningNode() throws -> DHTNode {
    guard case .running(let node, _) = phase else { throw Self.notRunning }
    return node
  }

  func key(to peer: PeerIdentity, _ application: String, _ subject: String) -> DHTKey {
    DHTKey(recipient: peer.certificateID, application: application, subject: subject)
  }

  /// Runs `work` as a task that ``leave()`` cancels and waits for.
  @discardableResult
  func keep(_ work: @escaping @Sendable () async -> Void) -> Int {
    nextTask += 1
    let number = nextTask
    tasks[number] = Task {
      await work()
      self.forget(number)
    }
    return number
  }

  /// What comes in under our keys, judged, for as long as it is read. A stream that is not read keeps the 64 oldest.
  ///
  /// - Parameter makeReceiver: gives what judges the inbox's values and feeds the stream until its end. The task that runs it is ours, so
  ///   that ``leave()`` can wait for it.
  nonisolated func received<Element: Sendable>(
    _ makeReceiver:
      @escaping @Sendable (
        isolated DHTRendezvous, ValueInbox, AsyncThrowingStream<Element, any Error>.Continuation
      ) throws -> @Sendable () async -> Void
  ) -> AsyncThrowingStream<Element, any Error> {
    let (stream, feed) = AsyncThrowingStream.makeStream(of: Element.self, bufferingPolicy: .bufferingOldest(64))
    let inbox = ValueInbox(logger: logger)
    // Ends the receiver however the stream ends; closing twice does nothing.
    feed.onTermination = { _ in inbox.close() }
    Task {
      do {
        try await begin(inbox, feed, makeReceiver)
      } catch {
        feed.finish(throwing: error)
      }
    }
    return stream
  }

  /// In one step, so that ``leave()`` comes before it or finds all of it.
  private func begin<Element: Sendable>(
    _ inbox: ValueInbox, _ feed: AsyncThrowingStream<Element, any Error>.Continuation,
    _ makeReceiver: (
      isolated DHTRendezvous, ValueInbox, AsyncThrowingStream<Element, any Error>.Continuation
    ) throws -> @Sendable () async -> Void
  ) throws {
    let run = try makeReceiver(self, inbox, feed)
    let number = keep {
      await run()
      feed.finish()
    }
    inboxes[number] = inbox
  }

  func forget(_ number: Int) {
    tasks[number] = nil
    inboxes[number] = nil
  }
}
