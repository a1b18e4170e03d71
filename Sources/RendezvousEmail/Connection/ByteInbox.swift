import Datagrams
import NIOCore

/// The tail of a connection's pipeline: keeps what came in until somebody pulls it. Lives on the event loop.
///
/// Past a bound nothing more is read from the socket until the bytes are pulled.
final class ByteInbox: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias Continuation = CheckedContinuation<[UInt8]?, any Error>

  /// Who waits, so that a cancellation never hits the wait after it.
  final class WaiterID: Sendable {}

  private static let capacity = 256 * 1024

  private struct Waiter {
    let id: WaiterID
    let continuation: Continuation
    let timeout: Scheduled<Void>?
  }

  private let channel: any Channel
  private var bytes: [UInt8] = []
  private var isPaused = false
  private var waiter: Waiter?
  private var cancelled: WaiterID?
  private var isAwake = false
  private var failure: (any Error)?

  init(channel: any Channel) { self.channel = channel }

  /// Whether nothing waits to be pulled.
  var isEmpty: Bool { bytes.isEmpty }

  func wait(for id: WaiterID, until deadline: Instant, resume continuation: Continuation) {
    precondition(waiter == nil, "a connection has one reader at a time")
    if cancelled === id {
      continuation.resume(throwing: CancellationError())
    } else if !bytes.isEmpty {
      continuation.resume(returning: take())
    } else if let failure {
      continuation.resume(throwing: failure)
    } else if isAwake {
      isAwake = false
      continuation.resume(returning: nil)
    } else {
      let timeout =
        deadline == .distantFuture
        ? nil
        : channel.eventLoop.assumeIsolated().scheduleTask(
          deadline: .uptimeNanoseconds(UInt64(clamping: deadline.nanoseconds))
        ) {
          self.finish(id, with: .success(nil))
        }
      waiter = Waiter(id: id, continuation: continuation, timeout: timeout)
    }
  }

  /// A cancellation may come before the wait that it is for, and is kept until then.
  func cancel(_ id: WaiterID) {
    cancelled = id
    finish(id, with: .failure(CancellationError()))
  }

  /// Ends the wait that is under way, or the next one, without bytes.
  func wake() {
    if let waiter { finish(waiter.id, with: .success(nil)) } else { isAwake = true }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard failure == nil else { return }
    bytes += unwrapInboundIn(data).readableBytesView
    if let waiter { return finish(waiter.id, with: .success(take())) }
    if bytes.count > Self.capacity, !isPaused {
      isPaused = true
      try? channel.syncOptions?.setOption(.autoRead, value: false)
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    fail(ChannelError.eof)
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    fail(error)
    context.close(promise: nil)
  }

  private func take() -> [UInt8] {
    defer { bytes = [] }
    if isPaused {
      isPaused = false
      try? channel.syncOptions?.setOption(.autoRead, value: true)
    }
    return bytes
  }

  /// The first failure says most. What came before it is of use only where the server has simply closed.
  private func fail(_ error: any Error) {
    if failure == nil {
      failure = error
      if error as? ChannelError != .eof { bytes = [] }
    }
    if let waiter, let failure { finish(waiter.id, with: .failure(failure)) }
  }

  private func finish(_ id: WaiterID, with result: Result<[UInt8]?, any Error>) {
    guard let waiter, waiter.id === id else { return }
    self.waiter = nil
    waiter.timeout?.cancel()
    waiter.continuation.resume(with: result)
  }
}
