import ArgumentParser
import Datagrams
import NIOCore
import NIOPosix
import Synchronization
import Tubus

/// How long a message of 100 bytes takes from the write to the other end's handler.
struct Latency: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Latency of a 100-byte message over loopback, on an idle and on a full connection.")

  @Option(help: "Messages.") var messages = 1000

  func run() async throws {
    for isFull in [false, true] {
      let samples = try await measure(isFull: isFull).sorted()
      guard !samples.isEmpty else { continue }
      func show(_ nanoseconds: Int64) -> String { "\(nanoseconds / 1000) µs" }
      print(
        "\(isFull ? "full" : "idle"): median \(show(samples[samples.count / 2])), "
          + "99th percentile \(show(samples[samples.count * 99 / 100])) of \(samples.count)")
    }
  }

  private func measure(isFull: Bool) async throws -> [Int64] {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
    let local = Endpoint(address: .v4(0x7F00_0001), port: 0)
    let receiver = try await TubusEndpoint.bind(to: local, on: group.next())
    let sender = try await TubusEndpoint.bind(to: local, on: group.next())
    let arrivals = Arrivals()
    let accepted = try await receiver.listen { channel in channel.pipeline.addHandler(arrivals) }
    let channel = try await sender.connect(to: receiver.localEndpoint) { channel in
      channel.pipeline.addHandler(Messages(isFull: isFull)).map { channel }
    }
    while arrivals.samples.withLock({ $0.count }) < messages { try await Task.sleep(for: .milliseconds(20)) }
    let samples = arrivals.samples.withLock { $0 }
    _ = (accepted, channel)
    await sender.close()
    await receiver.close()
    try await group.shutdownGracefully()
    return samples
  }
}

/// Blocks of 100 bytes: the first eight are the time at which it was written, or 0 for filling.
private let blockSize = 100

/// Writes a stamped block every two milliseconds, and filling in between where the connection is to be full.
private final class Messages: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let isFull: Bool
  private let filling = ByteBuffer(repeating: 0, count: blockSize * 656)

  init(isFull: Bool) { self.isFull = isFull }

  func channelActive(context: ChannelHandlerContext) {
    stamp(context)
    fill(context)
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) { fill(context) }

  private func fill(_ context: ChannelHandlerContext) {
    guard isFull, context.channel.isActive, context.channel.isWritable else { return }
    while context.channel.isWritable { context.write(wrapOutboundOut(filling), promise: nil) }
    context.flush()
  }

  private func stamp(_ context: ChannelHandlerContext) {
    guard context.channel.isActive else { return }
    var block = ByteBuffer()
    block.writeInteger(NIODeadline.now().uptimeNanoseconds)
    block.writeRepeatingByte(0, count: blockSize - 8)
    context.writeAndFlush(wrapOutboundOut(block), promise: nil)
    context.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(2)) { self.stamp(context) }
  }
}

private final class Arrivals: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer

  let samples = Mutex<[Int64]>([])
  private let rest = Mutex(ByteBuffer())

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var bytes = unwrapInboundIn(data)
    let now = NIODeadline.now().uptimeNanoseconds
    rest.withLock { rest in
      if rest.readableBytes > 0 {
        rest.writeBuffer(&bytes)
        swap(&rest, &bytes)
      }
      while bytes.readableBytes >= blockSize {
        let stamp = bytes.getInteger(at: bytes.readerIndex, as: UInt64.self) ?? 0
        bytes.moveReaderIndex(forwardBy: blockSize)
        if stamp > 0 { samples.withLock { $0.append(Int64(now - stamp)) } }
      }
      rest = ByteBuffer(buffer: bytes)
    }
  }
}
