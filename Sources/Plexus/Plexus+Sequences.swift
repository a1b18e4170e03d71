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
    private var names: AsyncThrowingStream<IdentityName, any Error>.AsyncIterator
    private let task: Task<Void, Never>

    init(plexus: Plexus, pattern: IdentityPattern) {
      let (stream, feed) = AsyncThrowingStream.makeStream(
        of: IdentityName.self, bufferingPolicy: .bufferingOldest(64))
      names = stream.makeAsyncIterator()
      task = Task {
        do {
          try await plexus.receiveAdvents(from: pattern) { feed.yield($0) }
          feed.finish()
        } catch {
          feed.finish(throwing: error)
        }
      }
    }

    deinit { task.cancel() }

    /// The next peer; nil when the task was cancelled.
    ///
    /// - Throws: ``PlexusError`` when the rendezvous cannot be used at all.
    public func next() async throws -> IdentityName? {
      do {
        if let name = try await names.next() { return name }
      } catch is CancellationError {
      } catch {
        await task.value
        throw error
      }
      task.cancel()
      await task.value
      return nil
    }
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
        if let passage = try await passages.next() {
          untaken.remove(passage.socket)
          return passage
        }
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
