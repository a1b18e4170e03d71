import NIOCore
import Synchronization
import Tubus

/// Writes as much as the channel takes.
final class Source: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let block = ByteBuffer(repeating: 0x5A, count: 262_144)

  func channelActive(context: ChannelHandlerContext) { fill(context) }
  func channelWritabilityChanged(context: ChannelHandlerContext) { fill(context) }

  private func fill(_ context: ChannelHandlerContext) {
    guard context.channel.isWritable else { return }
    while context.channel.isWritable { context.write(wrapOutboundOut(block), promise: nil) }
    context.flush()
  }
}

/// Counts what comes.
final class Sink: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer

  let bytes = Atomic<Int>(0)

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    bytes.add(unwrapInboundIn(data).readableBytes, ordering: .relaxed)
  }
}

extension Sink {
  /// Prints the rate of each second, and returns the mean of all but the first, bits a second.
  func report(seconds: Int, label: String, quiet: Bool = false) async throws -> Double {
    let clock = ContinuousClock()
    var last = (clock.now, bytes.load(ordering: .relaxed))
    var start = last
    for second in 1...seconds {
      try await Task.sleep(for: .seconds(1))
      let now = (clock.now, bytes.load(ordering: .relaxed))
      if !quiet { print("\(label) \(second) s: \(megabits(rate(from: last, to: now))) Mbit/s") }
      last = now
      if second == 1, seconds > 1 { start = now }
    }
    return rate(from: start, to: last)
  }

  private func rate(
    from start: (ContinuousClock.Instant, Int), to end: (ContinuousClock.Instant, Int)
  ) -> Double {
    Double(end.1 - start.1) * 8 / ((end.0 - start.0) / .seconds(1))
  }
}

func megabits(_ rate: Double) -> String { String(Int((rate / 1e6).rounded())) }
