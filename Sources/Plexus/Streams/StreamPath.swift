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
      let old = state.endpoint
      state = State(endpoint: endpoint, passage: passage)
      return old
    }
    await old?.close()
  }

  /// When the peer was last heard; nil once the stream has ended.
  func lastHeard() async -> Instant? {
    guard channel.isActive else { return nil }
    return try? await channel.getOption(.tubusStatistics).get().lastHeard
  }

  /// Ends the stream, at once or in order, and gives the port back.
  func close(afterFlushing channel: (any Channel)?) async {
    if let channel {
      // Otherwise the far end would wait for it in vain.
      let abort = channel.eventLoop.scheduleTask(in: .seconds(1)) { [stream = self.channel] in
        stream.triggerUserOutboundEvent(TubusAbort(), promise: nil)
      }
      // TLS says goodbye both ways: the peer's has to be read.
      channel.setOption(.autoRead, value: true).whenComplete { _ in channel.close(promise: nil) }
      try? await self.channel.closeFuture.get()
      abort.cancel()
    }
    let endpoint = state.withLock { state in
      defer { state.endpoint = nil }
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
