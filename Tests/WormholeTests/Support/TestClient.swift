import NIOCore
import NIOPosix

/// A TCP client on loopback.
enum TestClient {
  typealias Connection = NIOAsyncChannel<ByteBuffer, ByteBuffer>

  static func connect(to port: Int) async throws -> Connection {
    try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .channelOption(.allowRemoteHalfClosure, value: true)
      .connect(host: "127.0.0.1", port: port) { channel in
        channel.eventLoop.makeCompletedFuture {
          try Connection(
            wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
        }
      }
  }

  /// Sends bytes, ends its side, and returns all that comes back until the other side ends.
  static func exchange(_ bytes: [UInt8], with port: Int) async throws -> [UInt8] {
    try await connect(to: port).executeThenClose { inbound, outbound in
      try await outbound.write(ByteBuffer(bytes: bytes))
      outbound.finish()
      return try await inbound.reduce(into: []) { $0 += Array($1.readableBytesView) }
    }
  }

  /// Sends bytes, waits for as many, then ends.
  static func echo(_ bytes: [UInt8], with port: Int) async throws -> [UInt8] {
    try await connect(to: port).executeThenClose { inbound, outbound in
      async let sending: Void = outbound.write(ByteBuffer(bytes: bytes))
      var received: [UInt8] = []
      for try await part in inbound {
        received += Array(part.readableBytesView)
        if received.count >= bytes.count { break }
      }
      try await sending
      return received
    }
  }
}

/// Waits until something holds, for ten seconds at most.
func eventually(_ condition: () async throws -> Bool) async throws -> Bool {
  let clock = ContinuousClock()
  let deadline = clock.now + .seconds(10)
  while clock.now < deadline {
    if try await condition() { return true }
    try await Task.sleep(for: .milliseconds(5))
  }
  return try await condition()
}
