import Glibc
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import Wormhole

/// What a listening port does without descriptors. The error is handed to it as the kernel's would be: a process without descriptors would
/// take those of all other tests away.
@Suite(.timeLimit(.minutes(3))) struct AcceptPauseTests {
  @Test(arguments: [EMFILE, ENFILE]) func aPortRestsAndGoesOnAfterOneWarning(code: CInt) async throws {
    let log = TestLog()
    let clients = Clients()
    let logger = log.logger
    try await Self.listening(logger) {
      clients.count.add(1, ordering: .relaxed)
    } body: { listener in
      for _ in 1...3 {
        let isReading = try await listener.eventLoop.submit {
          listener.pipeline.fireErrorCaught(IOError(errnoCode: code, reason: "accept"))
          return try listener.syncOptions?.getOption(.autoRead)
        }.get()
        #expect(isReading == false)
        #expect(try await eventually { try await listener.getOption(.autoRead).get() })
      }
      #expect(log.sentences(from: .warning).count == 1)
      #expect(log.contains("ulimit -n"))
      let before = clients.count.load(ordering: .relaxed)
      let client = try await TestClient.connect(to: listener.localAddress?.port ?? 0)
      #expect(try await eventually { clients.count.load(ordering: .relaxed) == before + 1 })
      try await client.channel.close()
    }
  }

  @Test func anAbortedClientIsNoReasonToRest() async throws {
    let log = TestLog()
    let logger = log.logger
    try await Self.listening(logger) {
    } body: { listener in
      let isReading = try await listener.eventLoop.submit {
        listener.pipeline.fireErrorCaught(IOError(errnoCode: ECONNABORTED, reason: "accept"))
        return try listener.syncOptions?.getOption(.autoRead)
      }.get()
      #expect(isReading == true)
      #expect(log.sentences(from: .trace).isEmpty)
    }
  }

  private final class Clients: Sendable { let count = Atomic(0) }

  private static func listening(
    _ logger: Logger, onClient: @escaping @Sendable () -> Void, body: (any Channel) async throws -> Void
  ) async throws {
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(AcceptPause(of: "the test", logger: logger))
        }
      }
      .childChannelInitializer { channel in
        onClient()
        return channel.eventLoop.makeSucceededVoidFuture()
      }
      .bind(host: "127.0.0.1", port: 0).get()
    let result: Result<Void, any Error>
    do { result = .success(try await body(listener)) } catch { result = .failure(error) }
    try? await listener.close()
    try result.get()
  }
}
