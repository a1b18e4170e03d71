import Datagrams
import NIOCore
import Synchronization
import Testing
import Tubus

typealias AsyncTubus = NIOAsyncChannel<ByteBuffer, ByteBuffer>

/// Sets a tubus channel up for async use.
func asyncTubus(_ channel: any Channel) -> EventLoopFuture<AsyncTubus> {
  channel.eventLoop.makeCompletedFuture { try AsyncTubus(wrappingChannelSynchronously: channel) }
}

extension Endpoint {
  static let anyLoopback = Endpoint(address: .v4(0x7F00_0001), port: 0)
}

/// Runs `body` with two endpoints, which it closes.
func withEndpoints<Value>(
  usesOffload: Bool = true, _ body: (_ listener: TubusEndpoint, _ connector: TubusEndpoint) async throws -> Value
) async throws -> Value {
  let listener = try await TubusEndpoint.bind(to: .anyLoopback, usesOffload: usesOffload)
  let connector = try await TubusEndpoint.bind(to: .anyLoopback, usesOffload: usesOffload)
  do {
    let value = try await body(listener, connector)
    await connector.close()
    await listener.close()
    return value
  } catch {
    await connector.close()
    await listener.close()
    throw error
  }
}

extension AsyncStream where Element: Sendable {
  /// The first that comes.
  func first() async throws -> Element {
    for await element in self { return element }
    throw Missing()
  }

  struct Missing: Error {}
}

/// Keeps what a channel tells.
final class Recorder: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer

  struct State {
    var bytes: [UInt8] = []
    var errors: [String] = []
    var isInactive = false
    var writabilityChanges = 0
  }

  let state = Mutex(State())

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let bytes = unwrapInboundIn(data)
    state.withLock { $0.bytes += bytes.readableBytesView }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { state.withLock { $0.errors.append("\(error)") } }

  func channelInactive(context: ChannelHandlerContext) { state.withLock { $0.isInactive = true } }

  func channelWritabilityChanged(context: ChannelHandlerContext) { state.withLock { $0.writabilityChanges += 1 } }
}

/// Waits until a condition holds; fails the test after 20 s.
func eventually(
  _ what: Comment, sourceLocation: SourceLocation = #_sourceLocation, _ condition: () async throws -> Bool
)
  async throws
{
  let deadline = ContinuousClock.now + .seconds(20)
  while try await !condition() {
    guard ContinuousClock.now < deadline else {
      Issue.record(what, sourceLocation: sourceLocation)
      return
    }
    try await Task.sleep(for: .milliseconds(5))
  }
}
