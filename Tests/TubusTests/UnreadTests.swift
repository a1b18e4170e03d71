import Datagrams
import NIOCore
import Testing

@testable import Tubus

/// What peers that have gone leave behind, unread, counts until it is read.
@Suite(.timeLimit(.minutes(2))) struct UnreadTests {
  @Test func itCountsAgainstTheBufferLimit() async throws {
    let accepted = Accepted(autoRead: false)
    let listener = try await TubusEndpoint.bind(to: .anyLoopback, bufferLimit: 300_000)
    let stream = try await listener.listen(Self.configuration()) { accepted.take($0) }
    let first = try await Self.come(to: listener, write: 200_000)
    let unread = try #require(accepted.one(0))
    let second = try await TubusEndpoint.bind(to: .anyLoopback)
    let writer = try await second.connect(to: listener.localEndpoint) { $0.eventLoop.makeSucceededFuture($0) }
    writer.writeAndFlush(ByteBuffer(repeating: 8, count: 200_000), promise: nil)
    try await eventually("the second is accepted") { accepted.count == 2 }
    let reader = try #require(accepted.one(1)).channel
    try await eventually("the limit is reached") {
      try await reader.getOption(.tubusStatistics).get().movesRefused > 0
    }
    #expect(try await reader.getOption(.tubusStatistics).get().bytesReceived <= 100_000)
    try await Self.readAll(unread.channel)
    #expect(unread.recorder.state.withLock { $0.bytes.count } == 200_000)
    try await eventually("the second gets on") {
      try await reader.getOption(.tubusStatistics).get().bytesReceived == 200_000
    }
    for endpoint in [first, second, listener] { await endpoint.close() }
    _ = stream
  }

  @Test func itTakesTheRoomOfAConnection() async throws {
    let accepted = Accepted(autoRead: false)
    let listener = try await TubusEndpoint.bind(to: .anyLoopback)
    let stream = try await listener.listen(Self.configuration(), maximumConnections: 1) { accepted.take($0) }
    let first = try await Self.come(to: listener, write: 24)
    let unread = try #require(accepted.one(0))
    let second = try await TubusEndpoint.bind(to: .anyLoopback)
    await #expect(throws: TubusEnding.notLinked) {
      _ = try await second.connect(to: listener.localEndpoint, Self.configuration(linkTimeout: .milliseconds(500))) {
        $0.eventLoop.makeSucceededFuture($0)
      }
    }
    try await Self.readAll(unread.channel)
    _ = try await second.connect(to: listener.localEndpoint) { $0.eventLoop.makeSucceededFuture($0) }
    try await eventually("there is room again") { accepted.count == 2 }
    for endpoint in [first, second, listener] { await endpoint.close() }
    _ = stream
  }

  /// Nobody will ever read it, and its address may be forged.
  @Test func ofAPeerThatNeverShowedWhereItIsNothingIsKept() async throws {
    let accepted = Accepted(autoRead: false)
    let listener = try await TubusEndpoint.bind(to: .anyLoopback)
    let stream = try await listener.listen(Self.configuration(), maximumConnections: 1) { accepted.take($0) }
    let forger = try await ScriptedPeer(of: listener.localEndpoint)
    try await forger.say(as: 5) { _ = $0.append(.link) }
    try await eventually("the listener asks whether it is there") {
      try await forger.listen()
      return forger.hasHeardPings
    }
    try await forger.say(as: 5) { writer in
      writer.appendMove(Array("nothing".utf8), at: 0)
      _ = writer.append(.tear)
    }
    try await eventually("it is forgotten") { try await listener.connectionCount() == 0 }
    let connector = try await TubusEndpoint.bind(to: .anyLoopback)
    _ = try await connector.connect(to: listener.localEndpoint) { $0.eventLoop.makeSucceededFuture($0) }
    try await eventually("another one is accepted") { accepted.count == 1 }
    for endpoint in [connector, listener] { await endpoint.close() }
    await forger.close()
    _ = stream
  }

  private static func configuration(linkTimeout: Duration = .seconds(30)) -> TubusConfiguration {
    var configuration = TubusConfiguration()
    configuration.tearTimeout = .milliseconds(300)
    configuration.linkTimeout = linkTimeout
    return configuration
  }

  /// A peer that links, writes and goes, until the listener has forgotten its connection.
  private static func come(to listener: TubusEndpoint, write count: Int) async throws -> TubusEndpoint {
    let endpoint = try await TubusEndpoint.bind(to: .anyLoopback)
    let channel = try await endpoint.connect(to: listener.localEndpoint) { $0.eventLoop.makeSucceededFuture($0) }
    try await channel.writeAndFlush(ByteBuffer(repeating: 7, count: count))
    try await channel.close()
    try await eventually("the listener forgets the connection") { try await listener.connectionCount() == 0 }
    return endpoint
  }

  private static func readAll(_ channel: any Channel) async throws {
    while channel.isActive { try await channel.eventLoop.submit { channel.read() }.get() }
  }
}
