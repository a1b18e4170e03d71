import Datagrams
import NIOCore
import NIOPosix
import Testing
import Tubus

/// A stream that goes on over another path.
@Suite(.timeLimit(.minutes(3))) struct TakeOverTests {
  /// Both ends move from one pair of ports to another and to a third, while data are under way; nothing is lost or doubled.
  @Test func nothingIsLostWhereBothEndsMove() async throws {
    let loop = MultiThreadedEventLoopGroup.singleton.next()
    let servers = try await Self.endpoints(3, on: loop)
    let clients = try await Self.endpoints(3, on: loop)
    let accepted = try await servers[0].listen { asyncTubus($0) }
    let client = try await clients[0].connect(to: servers[0].localEndpoint) { asyncTubus($0) }
    let server = try await accepted.first()
    let total = 12 << 20
    let chunk = ByteBuffer(bytes: (0..<65_536).map { UInt8(truncatingIfNeeded: $0 >> 8) })
    var whole = ByteBuffer()
    for _ in 0..<4 { whole.writeImmutableBuffer(chunk) }
    let pattern = whole
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        try await client.executeThenClose { _, outbound in
          var sent = 0
          while sent < total {
            try await outbound.write(
              ByteBuffer(bytes: (0..<65_536).map { UInt8(truncatingIfNeeded: (sent + $0) >> 8) }))
            sent += 65_536
          }
        }
      }
      group.addTask {
        var received = 0
        try await server.executeThenClose { inbound, _ in
          for try await bytes in inbound {
            let expected = pattern.getSlice(at: received % 65_536, length: bytes.readableBytes)
            guard bytes == expected else { throw Wrong(offset: received) }
            received += bytes.readableBytes
          }
        }
        #expect(received == total)
      }
      group.addTask {
        for step in 1...2 {
          try await Task.sleep(for: .milliseconds(30))
          // One end is first, and the other has not heard of it yet.
          try await clients[step].takeOver(client.channel, to: servers[step].localEndpoint)
          await clients[step - 1].close()
          try await servers[step].takeOver(server.channel, to: clients[step].localEndpoint)
          await servers[step - 1].close()
        }
      }
      try await group.waitForAll()
    }
    for endpoint in servers + clients { await endpoint.close() }
  }

  @Test func aStreamOfAnotherEventLoopOrAnEndedOneIsRefused() async throws {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
    let (one, other) = (group.next(), group.next())
    let server = try await Self.endpoints(1, on: one)[0]
    let (client, elsewhere) = try await (Self.endpoints(2, on: one), Self.endpoints(1, on: other)[0])
    let accepted = try await server.listen { $0.eventLoop.makeSucceededFuture($0) }
    let channel = try await client[0].connect(to: server.localEndpoint) { $0.eventLoop.makeSucceededFuture($0) }
    _ = try await accepted.first()
    await #expect(throws: TubusEndpointError.notMovable) {
      try await elsewhere.takeOver(channel, to: server.localEndpoint)
    }
    channel.triggerUserOutboundEvent(TubusAbort(), promise: nil)
    try await channel.closeFuture.get()
    await #expect(throws: ChannelError.self) { try await client[1].takeOver(channel, to: server.localEndpoint) }
    for endpoint in client + [server, elsewhere] { await endpoint.close() }
    try await group.shutdownGracefully()
  }

  private struct Wrong: Error { let offset: Int }

  private static func endpoints(_ count: Int, on loop: any EventLoop) async throws -> [TubusEndpoint] {
    var endpoints: [TubusEndpoint] = []
    for _ in 0..<count { endpoints.append(try await TubusEndpoint.bind(to: .anyLoopback, on: loop)) }
    return endpoints
  }
}
