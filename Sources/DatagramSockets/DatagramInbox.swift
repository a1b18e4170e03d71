import Datagrams
import DequeModule
import NIOCore

/// The tail of a UDP channel's pipeline: keeps what came in until somebody pulls it. Lives on the event loop.
final class DatagramInbox: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = AddressedEnvelope<ByteBuffer>
  typealias InboundOut = AddressedEnvelope<ByteBuffer>
  typealias Continuation = CheckedContinuation<Datagram?, any Error>

  /// Who waits, so that a cancellation never hits the wait after it.
  final class WaiterID: Sendable {}

  /// Enough for a burst of handshakes and STUN answers; what exceeds it is a flood and is dropped, newest first.
  private static let capacity = 256

  private struct Waiter {
    let id: WaiterID
    let continuation: Continuation
    let timeout: Scheduled<Void>?
  }

  private let eventLoop: any EventLoop
  private var datagrams = Deque<Datagram>()
  private var waiter: Waiter?
  private var cancelled: WaiterID?
  private var isClosed = false
  private var context: ChannelHandlerContext?

  init(eventLoop: any EventLoop) { self.eventLoop = eventLoop }

  func wait(for id: WaiterID, until deadline: Instant, resume continuation: Continuation) {
    precondition(waiter == nil, "a UDP socket has one reader at a time")
    if let datagram = datagrams.popFirst() {
      continuation.resume(returning: datagram)
    } else if cancelled === id {
      continuation.resume(throwing: CancellationError())
    } else if isClosed {
      continuation.resume(throwing: ChannelError.ioOnClosedChannel)
    } else {
      let timeout =
        deadline == .distantFuture
        ? nil
        : eventLoop.assumeIsolated().scheduleTask(deadline: deadline.deadline) { self.finish(id, with: .success(nil)) }
      waiter = Waiter(id: id, continuation: continuation, timeout: timeout)
    }
  }

  /// A cancellation may come before the wait that it is for, and is kept until then.
  func cancel(_ id: WaiterID) {
    cancelled = id
    finish(id, with: .failure(CancellationError()))
  }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  /// Passes on what was not pulled to the handler behind, and leaves the pipeline to it.
  func retire() -> EventLoopFuture<Void> {
    guard let context else { return eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel) }
    isClosed = true
    if let waiter { finish(waiter.id, with: .failure(ChannelError.ioOnClosedChannel)) }
    for datagram in datagrams {
      guard let source = try? datagram.source.socketAddress() else { continue }
      context.fireChannelRead(
        wrapInboundOut(AddressedEnvelope(remoteAddress: source, data: ByteBuffer(bytes: datagram.payload))))
    }
    if !datagrams.isEmpty { context.fireChannelReadComplete() }
    datagrams.removeAll()
    return context.pipeline.syncOperations.removeHandler(context: context)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let envelope = unwrapInboundIn(data)
    guard let source = Endpoint(envelope.remoteAddress) else { return }
    let datagram = Datagram(from: source, payload: Array(envelope.data.readableBytesView))
    if let waiter {
      finish(waiter.id, with: .success(datagram))
    } else if datagrams.count < Self.capacity {
      datagrams.append(datagram)
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    isClosed = true
    if let waiter { finish(waiter.id, with: .failure(ChannelError.ioOnClosedChannel)) }
    context.fireChannelInactive()
  }

  /// An unconnected UDP socket outlives the errors of single reads and writes.
  func errorCaught(context: ChannelHandlerContext, error: any Error) {}

  private func finish(_ id: WaiterID, with result: Result<Datagram?, any Error>) {
    guard let waiter, waiter.id === id else { return }
    self.waiter = nil
    waiter.timeout?.cancel()
    waiter.continuation.resume(with: result)
  }
}
