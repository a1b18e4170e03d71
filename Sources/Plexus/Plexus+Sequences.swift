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
  /// Whoever takes a passage owns it. At most 16 wait to be taken; more are declined or closed.
  ///
  /// - Parameter pattern: the peers to serve, out of those in the repository.
  public func accept(from pattern: IdentityPattern = .any) -> AcceptedPassages {
    AcceptedPassages(plexus: self, pattern: pattern)
  }

  /// The peers that tell that they are there, for as long as the sequence is read: ``receiveAdvents(from:perform:)`` for loops.
  ///
  /// - Parameter pattern: whose notices, out of the peers in the repository.
  public func advents(from pattern: IdentityPattern = .any) -> AsyncThrowingStream<IdentityName, any Error> {
    AsyncThrowingStream(bufferingPolicy: .bufferingOldest(64)) { feed in
      // Owned by the sequence: it ends with it.
      let task = Task {
        do {
          try await receiveAdvents(from: pattern) { feed.yield($0) }
          feed.finish()
        } catch {
          feed.finish(throwing: error)
        }
      }
      feed.onTermination = { _ in task.cancel() }
    }
  }
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
    private var passages: AsyncThrowingStream<Passage, any Error>.AsyncIterator
    private let task: Task<Void, Never>

    init(plexus: Plexus, pattern: IdentityPattern) {
      let (stream, feed) = AsyncThrowingStream.makeStream(of: Passage.self, bufferingPolicy: .bufferingOldest(16))
      let untaken = untaken
      passages = stream.makeAsyncIterator()
      task = Task {
        do {
          try await plexus.accept(from: pattern) { passage in
            untaken.add(passage.socket)
            if case .enqueued = feed.yield(passage) { return }
            untaken.remove(passage.socket)
            await passage.close()
          }
          feed.finish()
        } catch {
          feed.finish(throwing: error)
        }
        for socket in untaken.all { await socket.close() }
      }
    }

    deinit { task.cancel() }

    /// The next passage; nil when the task was cancelled.
    ///
    /// - Throws: ``PlexusError`` when the rendezvous cannot be used at all.
    public func next() async throws -> Passage? {
      do {
        let passage = try await passages.next()
        if let passage { untaken.remove(passage.socket) }
        return passage
      } catch is CancellationError {
        return nil
      }
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
