import DatagramSockets
import Identity
import Synchronization

extension Plexus {
  /// The passages to peers that invite us, one after another, for as long as the sequence is read: ``accept(from:perform:)`` for loops.
  ///
  /// ```swift
  /// for try await passage in plexus.accept() {
  ///   let stream = try await passage.openStream()
  /// }
  /// ```
  ///
  /// Whoever takes a passage owns it. At most 16 wait to be taken; more are declined or closed. When the loop's task is cancelled everything has
  /// ended as the loop ends; after a `break` it ends a moment later.
  ///
  /// - Parameter pattern: the peers to serve, out of those in the repository.
  public func accept(from pattern: IdentityPattern = .any) -> AcceptedPassages {
    AcceptedPassages(plexus: self, pattern: pattern)
  }

  /// The peers that tell that they are there, for as long as the sequence is read: ``receiveAdvents(from:perform:)`` for loops.
  ///
  /// - Parameter pattern: whose notices, out of the peers in the repository.
  public func advents(from pattern: IdentityPattern = .any) -> ReceivedAdvents {
    ReceivedAdvents(plexus: self, pattern: pattern)
  }
}

/// Peers that tell that they are there; see ``Plexus/advents(from:)``.
public struct ReceivedAdvents: AsyncSequence, Sendable {
  /// Who is there.
  public typealias Element = IdentityName
  let plexus: Plexus
  let pattern: IdentityPattern

  /// Takes notices, from its making to its end.
  public final class AsyncIterator: AsyncIteratorProtocol {
    private let served: Served<IdentityName>

    init(plexus: Plexus, pattern: IdentityPattern) {
      served = Served(keeping: 64) { feed in try await plexus.receiveAdvents(from: pattern) { feed.yield($0) } }
    }

    /// The next peer; nil when the task was cancelled.
    ///
    /// - Throws: ``PlexusError`` when the rendezvous cannot be used at all.
    public func next() async throws -> IdentityName? { try await served.next() }
  }

  /// Begins to listen, for as long as the iterator lives.
  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(plexus: plexus, pattern: pattern) }
}

/// Passages to peers that invite us; see ``Plexus/accept(from:)``.
public struct AcceptedPassages: AsyncSequence, Sendable {
  /// A passage, which belongs to whoever takes it.
  public typealias Element = Passage
  let plexus: Plexus
  let pattern: IdentityPattern

  /// Takes passages. The peers are served from its making to its end.
  public final class AsyncIterator: AsyncIteratorProtocol {
    private let untaken = Untaken()
    private let served: Served<Passage>

    init(plexus: Plexus, pattern: IdentityPattern) {
      served = Served(keeping: 16) { [untaken] feed in
        try await plexus.accept(from: pattern) { passage in
          untaken.add(passage.socket)
          if case .enqueued = feed.yield(passage) { return }
          untaken.remove(passage.socket)
          await passage.close()
        }
      } atEnd: { [untaken] in
        for socket in untaken.all { await socket.close() }
      }
    }

    /// The next passage; nil when the task was cancelled.
    ///
    /// - Throws: ``PlexusError`` when the rendezvous cannot be used at all.
    public func next() async throws -> Passage? {
      let passage = try await served.next()
      if let passage { untaken.remove(passage.socket) }
      return passage
    }
  }

  /// Begins to serve peers, for as long as the iterator lives.
  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(plexus: plexus, pattern: pattern) }

  /// The sockets of passages that nobody took yet: they are closed at the end.
  private final class Untaken: Sendable {
    private let sockets = Mutex<[ObjectIdentifier: UDPSocket]>([:])
    func add(_ socket: UDPSocket) { sockets.withLock { $0[ObjectIdentifier(socket)] = socket } }
    func remove(_ socket: UDPSocket) { sockets.withLock { $0[ObjectIdentifier(socket)] = nil } }
    var all: [UDPSocket] { sockets.withLock { Array($0.values) } }
  }
}

/// What a task of its own gives to one reader. It is cancelled and waited for when the reading ends, or cancelled when the reader is dropped.
private final class Served<Element: Sendable> {
  private var elements: AsyncThrowingStream<Element, any Error>.AsyncIterator
  private let task: Task<Void, Never>

  /// - Parameters:
  ///   - limit: how many wait to be read.
  ///   - work: gives them.
  ///   - end: what follows, however it ended.
  init(
    keeping limit: Int,
    _ work: @escaping @Sendable (AsyncThrowingStream<Element, any Error>.Continuation) async throws -> Void,
    atEnd end: @escaping @Sendable () async -> Void = {}
  ) {
    let (stream, feed) = AsyncThrowingStream.makeStream(of: Element.self, bufferingPolicy: .bufferingOldest(limit))
    elements = stream.makeAsyncIterator()
    task = Task {
      do {
        try await work(feed)
        feed.finish()
      } catch {
        feed.finish(throwing: error)
      }
      await end()
    }
  }

  deinit { task.cancel() }

  func next() async throws -> Element? {
    do {
      if let element = try await elements.next() { return element }
    } catch is CancellationError {
    } catch {
      await task.value
      throw error
    }
    // Whoever begins anew after the end finds its ports free.
    task.cancel()
    await task.value
    return nil
  }
}
