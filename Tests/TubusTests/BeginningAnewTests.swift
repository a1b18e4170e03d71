import Datagrams
import NIOCore
import Testing

@testable import Tubus

/// Peers that come again from the same address while the listener still knows their former selves.
@Suite(.timeLimit(.minutes(2))) struct BeginningAnewTests {
  /// The new one was heard, and has not yet shown where it is, when the listener loses patience with the old one.
  @Test func aPeerThatBeginsAnewIsTakenThoughItsFormerSelfEndsFirst() async throws {
    var configuration = TubusConfiguration()
    configuration.silenceTimeout = .seconds(3)
    let accepted = Accepted()
    try await withEndpoints { [configuration] listener, _ in
      let stream = try await listener.listen(configuration) { accepted.take($0) }
      let peer = try await ScriptedPeer(of: listener.localEndpoint)
      try await peer.say(as: 5) { _ = $0.append(.link) }
      try await eventually("the peer is accepted") {
        try await peer.answer(as: 5)
        return accepted.count == 1
      }
      let old = try #require(accepted.one(0))
      try await peer.say(as: 6) { _ = $0.append(.link) }
      try await eventually("the old one falls silent") {
        // It links no more: the listener has answered that.
        try await peer.say(as: 6) { _ = $0.append(.ping, 1) }
        try await peer.listen()
        return !old.channel.isActive
      }
      #expect(old.recorder.state.withLock { $0.errors } == ["\(TubusEnding.silent)"])
      #expect(accepted.count == 1)
      try await eventually("the new one is accepted") {
        try await peer.answer(as: 6)
        return accepted.count == 2
      }
      try await peer.say(as: 6) { $0.appendMove(Array("anew".utf8), at: 0) }
      let new = try #require(accepted.one(1))
      try await eventually("the new one works") { new.recorder.state.withLock { $0.bytes } == Array("anew".utf8) }
      await peer.close()
      _ = stream
    }
  }

  /// The peer closed, and took its old connection's place before anybody read what that had brought.
  @Test(arguments: [true, false]) func whatNobodyReadOfAReplacedConnectionIsKeptUntilTheEndpointCloses(
    isReadBefore: Bool
  ) async throws {
    var configuration = TubusConfiguration()
    // The listener has not forgotten the old connection when the new one comes.
    configuration.tearTimeout = .seconds(60)
    let accepted = Accepted(autoRead: false)
    try await withEndpoints { [configuration] listener, connector in
      let stream = try await listener.listen(configuration) { accepted.take($0) }
      let left = try await connector.connect(to: listener.localEndpoint, configuration) {
        $0.eventLoop.makeSucceededFuture($0)
      }
      try await left.writeAndFlush(ByteBuffer(repeating: 7, count: 24))
      try await left.close()
      try await eventually("the connector forgets the connection") { try await connector.connectionCount() == 0 }
      let again = try await connector.connect(to: listener.localEndpoint, configuration) {
        $0.eventLoop.makeSucceededFuture($0)
      }
      try await eventually("it is accepted again") { accepted.count == 2 }
      let old = try #require(accepted.one(0))
      #expect(old.channel.isActive && again.isActive)
      if isReadBefore {
        old.channel.read()
        try await eventually("the old one ends") { !old.channel.isActive }
        #expect(old.recorder.state.withLock { $0.bytes.count } == 24)
      }
      await listener.close()
      try await eventually("the old one ends") { !old.channel.isActive }
      #expect(old.recorder.state.withLock { $0.errors.isEmpty })
      _ = stream
    }
  }

  /// Anybody who forges a known peer's address can send links under as many pins as he likes.
  @Test func linksUnderManyPinsFromAKnownAddressDoNotDisturb() async throws {
    let accepted = Accepted()
    try await withEndpoints { listener, _ in
      let stream = try await listener.listen { accepted.take($0) }
      let peer = try await ScriptedPeer(of: listener.localEndpoint)
      try await peer.say(as: 5) { _ = $0.append(.link) }
      try await eventually("the peer is accepted") {
        try await peer.answer(as: 5)
        return accepted.count == 1
      }
      for pin in (100 as UInt32)..<400 { try await peer.say(as: pin) { _ = $0.append(.link) } }
      try await peer.say(as: 5) { $0.appendMove(Array("still here".utf8), at: 0) }
      let real = try #require(accepted.one(0))
      try await eventually("the real one goes on") {
        real.recorder.state.withLock { $0.bytes } == Array("still here".utf8)
      }
      // None of them has shown that it is there.
      #expect(accepted.count == 1 && real.channel.isActive)
      #expect(try await listener.connectionCount() == 1)
      await peer.close()
      _ = stream
    }
  }
}
