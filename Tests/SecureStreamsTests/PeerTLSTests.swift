import Datagrams
import Foundation
import Identity
import NIOCore
import NIOSSL
import Synchronization
import Testing
import Tubus

@testable import SecureStreams

@Suite(.timeLimit(.minutes(3))) struct PeerTLSTests {
  @Test func bothProveWhoTheyAreAndTalk() async throws {
    let (ann, bob) = try Cast.two.get()
    try await withTubusPair { client, server in
      try await secure(client, ann, bob.identity, server, bob, ann.identity)
      let echo = try await Self.exchange("hello", from: client, to: server)
      #expect(echo == "hello")
      #expect(try await Self.exchange("and back", from: server, to: client) == "and back")
    }
  }

  @Test func anEndWithoutAGoodbyeIsToldInWords() {
    let error = SecureStreamError(endOfStream: NIOSSLError.uncleanShutdown)
    #expect(error?.description == "the other end went away without a goodbye")
    // Those have sentences of their own.
    #expect(SecureStreamError(endOfStream: TubusEnding.silent) == nil)
  }

  @Test func whoeverHoldsAnotherCertificateIsRefusedByTheConnector() async throws {
    let (ann, bob) = try Cast.two.get()
    let eve = try Cast.eve.get()
    try await withTubusPair { client, server in
      await #expect { try await secure(client, ann, bob.identity, server, eve, ann.identity) } throws: {
        ($0 as? SecureStreamError)?.code == .notAuthenticated
      }
    }
  }

  @Test func whoeverHoldsAnotherCertificateIsRefusedByTheAcceptorBeforeAByteIsDelivered() async throws {
    let (ann, bob) = try Cast.two.get()
    let eve = try Cast.eve.get()
    try await withTubusPair { client, server in
      // Eve believes Bob, Bob expects Ann.
      let bobs = try PeerTLS(own: bob, peer: ann.identity, application: "app")
      let eves = try PeerTLS(own: eve, peer: bob.identity, application: "app")
      let accepted = Task { try await bobs.secure(server, as: .server) }
      while (try? await server.pipeline.containsHandler(type: NIOSSLServerHandler.self).get()) == nil {
        await Task.yield()
      }
      let delivered = Delivered()
      try await server.pipeline.addHandler(delivered).get()
      try? await eves.secure(client, as: .client)
      try? await client.writeAndFlush(ByteBuffer(string: "let me in"))
      await #expect { try await accepted.value } throws: { ($0 as? SecureStreamError)?.code == .notAuthenticated }
      #expect(delivered.count.load(ordering: .relaxed) == 0)
    }
  }

  @Test func anotherApplicationIsRefused() async throws {
    let (ann, bob) = try Cast.two.get()
    try await withTubusPair { client, server in
      let anns = try PeerTLS(own: ann, peer: bob.identity, application: "chat")
      let bobs = try PeerTLS(own: bob, peer: ann.identity, application: "files")
      let accepted = Task { try await bobs.secure(server, as: .server) }
      await #expect(throws: SecureStreamError.self) { try await anns.secure(client, as: .client) }
      await #expect(throws: SecureStreamError.self) { try await accepted.value }
    }
  }

  @Test func garbageInsteadOfTLSIsToldAndEndsTheStream() async throws {
    let (ann, bob) = try Cast.two.get()
    try await withTubusPair { client, server in
      let bobs = try PeerTLS(own: bob, peer: ann.identity, application: "app")
      let accepted = Task { try await bobs.secure(server, as: .server) }
      try await client.writeAndFlush(ByteBuffer(repeating: 0x41, count: 4096))
      await #expect(throws: SecureStreamError.self) { try await accepted.value }
    }
  }

  /// A channel that reads by itself asks once, and the answer comes from what waited behind the handshake.
  @Test func aStreamThatReadsByItselfGoesOnAfterWhatCameBefore() async throws {
    let (ann, bob) = try Cast.two.get()
    try await withTubusPair { client, server in
      try await secure(client, ann, bob.identity, server, bob, ann.identity)
      try await client.writeAndFlush(ByteBuffer(string: "before "))
      while try await Self.isNothingEarly(at: server) { try await Task.sleep(for: .milliseconds(5)) }
      let promise = server.eventLoop.makePromise(of: ByteBuffer.self)
      try await server.eventLoop.submit {
        let taker = Taker(promise, count: "before and after".utf8.count, asks: false)
        try server.pipeline.syncOperations.addHandler(taker)
        try server.syncOptions?.setOption(.autoRead, value: true)
      }.get()
      try await client.writeAndFlush(ByteBuffer(string: "and after"))
      #expect(String(buffer: try await promise.futureResult.get()) == "before and after")
    }
  }

  /// The bytes and the goodbye come in one datagram, and nobody has asked for anything.
  @Test func whatNobodyAskedForIsDeliveredBeforeTheEnd() async throws {
    let (ann, bob) = try Cast.two.get()
    try await withTubusPair { client, server in
      try await secure(client, ann, bob.identity, server, bob, ann.identity)
      let witness = Witness()
      try await server.pipeline.addHandler(witness).get()
      try await client.eventLoop.submit {
        let cork = Cork()
        try client.pipeline.syncOperations.addHandler(cork, position: .first)
        // The goodbye has to be answered.
        try client.syncOptions?.setOption(.autoRead, value: true)
        client.writeAndFlush(ByteBuffer(string: "short"), promise: nil)
        client.close(promise: nil)
        cork.pull()
      }.get()
      try await server.closeFuture.get()
      #expect(witness.seen.withLock { $0 } == ["short", "end"])
    }
  }

  private static func isNothingEarly(at channel: any Channel) async throws -> Bool {
    try await channel.eventLoop.submit {
      try channel.pipeline.syncOperations.handler(type: SecureStreamGate.self).early.isEmpty
    }.get()
  }

  @Test func longApplicationNamesFitIntoALPN() {
    let long = String(repeating: "x", count: 255)
    #expect(PeerTLS.protocolName(of: "chat") == "plexus/1/chat")
    #expect(PeerTLS.protocolName(of: long).utf8.count <= 255)
    #expect(PeerTLS.protocolName(of: long) != PeerTLS.protocolName(of: String(repeating: "y", count: 255)))
  }

  private func secure(
    _ client: any Channel, _ clients: OwnIdentity, _ expected: PeerIdentity, _ server: any Channel,
    _ servers: OwnIdentity, _ expectedThere: PeerIdentity
  ) async throws {
    let there = try PeerTLS(own: servers, peer: expectedThere, application: "app")
    let here = try PeerTLS(own: clients, peer: expected, application: "app")
    let accepted = Task { try await there.secure(server, as: .server) }
    do { try await here.secure(client, as: .client) } catch {
      _ = try? await accepted.value
      throw error
    }
    try await accepted.value
  }

  private static func exchange(_ text: String, from one: any Channel, to other: any Channel) async throws -> String {
    let promise = other.eventLoop.makePromise(of: ByteBuffer.self)
    try await other.eventLoop.submit {
      let taker = Taker(promise, count: text.utf8.count)
      try other.pipeline.syncOperations.addHandler(taker)
      other.pipeline.syncOperations.read()
    }.get()
    try await one.writeAndFlush(ByteBuffer(string: text))
    return String(buffer: try await promise.futureResult.get())
  }
}

/// Counts what gets past TLS, and asks for more.
private final class Delivered: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer
  let count = Atomic(0)
  func handlerAdded(context: ChannelHandlerContext) { context.read() }
  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    count.add(unwrapInboundIn(data).readableBytes, ordering: .relaxed)
    context.read()
  }
}

/// Notes what gets past TLS, and how it ends, and asks for nothing.
private final class Witness: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer
  let seen = Mutex<[String]>([])
  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let text = String(buffer: unwrapInboundIn(data))
    seen.withLock { $0.append(text) }
  }
  func errorCaught(context: ChannelHandlerContext, error: any Error) { seen.withLock { $0.append("error") } }
  func channelInactive(context: ChannelHandlerContext) { seen.withLock { $0.append("end") } }
}

/// Holds back what is written, so that it leaves together.
private final class Cork: ChannelOutboundHandler {
  typealias OutboundIn = ByteBuffer
  private var context: ChannelHandlerContext?
  private var isIn = true

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }
  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }
  func flush(context: ChannelHandlerContext) { if !isIn { context.flush() } }

  func pull() {
    isIn = false
    context?.flush()
  }
}

/// Takes what comes until it is enough.
private final class Taker: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  private let promise: EventLoopPromise<ByteBuffer>
  private let count: Int
  private let asks: Bool
  private var bytes = ByteBuffer()

  init(_ promise: EventLoopPromise<ByteBuffer>, count: Int, asks: Bool = true) {
    (self.promise, self.count, self.asks) = (promise, count, asks)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    bytes.writeImmutableBuffer(unwrapInboundIn(data))
    if bytes.readableBytes >= count {
      promise.succeed(bytes)
    } else if asks {
      context.read()
    }
  }

  func channelInactive(context: ChannelHandlerContext) { promise.fail(ChannelError.eof) }
}

/// Two ends of a tubus stream over loopback.
private func withTubusPair(
  _ body: (_ client: any Channel, _ server: any Channel) async throws -> Void
) async throws {
  let loopback = try #require(Endpoint("127.0.0.1:0"))
  let (listener, connector) = (
    try await TubusEndpoint.bind(to: loopback), try await TubusEndpoint.bind(to: loopback)
  )
  let prepare: @Sendable (any Channel) -> EventLoopFuture<any Channel> = { channel in
    channel.eventLoop.makeCompletedFuture {
      try channel.syncOptions?.setOption(.autoRead, value: false)
      return channel
    }
  }
  do {
    let accepted = try await listener.listen(initializer: prepare)
    let client = try await connector.connect(to: listener.localEndpoint, initializer: prepare)
    let server = try #require(await accepted.first { _ in true })
    try await body(client, server)
  } catch {
    await connector.close()
    await listener.close()
    throw error
  }
  await connector.close()
  await listener.close()
}

private enum Cast {
  static let two = Result { (try made.get()[0], try made.get()[1]) }
  static let eve = Result { try made.get()[2] }

  /// RSA keys take their time: made once.
  private static let made = Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("plexus-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let repository = try ApplicationRepository(path: folder)
    return try ["ann@example.org/desk", "bob@example.org/home", "eve@example.org/den"].map { name in
      try repository.create(IdentityName(name), options: NewIdentityOptions(bits: 2048))
    }
  }
}
