import DatagramSockets
import Datagrams
import Identity
import NIOCore
import Synchronization
import Tubus

/// The way of a stream between two peers: which passage carries it now. It may be carried on by another passage to the same peer.
final class StreamPath: Sendable {
  let peer: IdentityName
  /// Known to the two ends only.
  let token: StreamToken
  /// The stream without TLS.
  let channel: any Channel
  private let state: Mutex<State>

  private struct State {
    var endpoint: TubusEndpoint?
    var passage: Passage
    var isClosed = false
    /// What carries the stream on at the moment.
    var mending: Task<Void, Never>?
  }

  init(channel: any Channel, endpoint: TubusEndpoint, passage: Passage) {
    self.channel = channel
    peer = passage.description.peer
    token = StreamToken(passage.description.secret)
    state = Mutex(State(endpoint: endpoint, passage: passage))
  }

  /// The passage that carries the stream now.
  var passage: Passage { state.withLock { $0.passage } }

  /// Carries the stream on over another passage, whose socket is taken over in any case.
  func move(to passage: Passage) async throws {
    let endpoint: TubusEndpoint
    do {
      endpoint = try await TubusEndpoint(adopting: passage.socket)
      try await endpoint.takeOver(channel, to: passage.description.alien)
    } catch {
      await passage.socket.close()
      throw error
    }
    let old = state.withLock { state in
      guard !state.isClosed else { return endpoint as TubusEndpoint? }
      defer { (state.endpoint, state.passage) = (endpoint, passage) }
      return state.endpoint
    }
    await old?.close()
  }

  /// Carries the stream on by `work`. One that still does it is cancelled, and waited for: a peer invites anew when it has given up the
  /// last time, and must not have us do it many times at once.
  func mend(_ work: @Sendable @escaping () async -> Void) async {
    let task = state.withLock { state in
      let earlier = state.mending
      earlier?.cancel()
      let task = Task {
        await earlier?.value
        if !Task.isCancelled { await work() }
      }
      state.mending = task
      return task
    }
    await withTaskCancellationHandler {
      await task.value
    } onCancel: {
      task.cancel()
    }
  }

  /// When the peer was last heard; nil once the stream has ended, though something may still be there to read.
  func lastHeard() async -> Instant? {
    guard channel.isActive, let statistics = try? await channel.getOption(.tubusStatistics).get(), statistics.isOpen
    else { return nil }
    return statistics.lastHeard
  }

  /// Ends the stream, at once or in order, and gives the port back.
  func close(afterFlushing channel: (any Channel)?) async {
    if let channel {
      // TLS says goodbye both ways: the peer's has to be read.
      channel.setOption(.autoRead, value: true).whenComplete { _ in channel.close(promise: nil) }
      await Farewell(self.channel).wait()
    }
    let endpoint = state.withLock { state in
      defer { (state.endpoint, state.isClosed) = (nil, true) }
      return state.endpoint
    }
    await endpoint?.close()
  }
}

/// The streams of one identity and application that can be carried on by another passage.
final class StreamRegistry: Sendable {
  private let paths = Mutex<[StreamToken: StreamPath]>([:])

  func add(_ path: StreamPath) { paths.withLock { $0[path.token] = path } }

  func remove(_ path: StreamPath) { paths.withLock { $0[path.token] = nil } }

  /// The stream that a peer wants to carry on, if it is its own and lives.
  func path(_ token: StreamToken?, of peer: IdentityName) -> StreamPath? {
    guard let token, let path = paths.withLock({ $0[token] }), path.peer == peer, path.channel.isActive else {
      return nil
    }
    return path
  }
}
