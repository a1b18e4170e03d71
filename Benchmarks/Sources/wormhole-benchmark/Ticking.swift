import ArgumentParser
import Foundation
import NIOCore
import NIOPosix

/// What the machines of the lab run for ``Recovery``: this program itself, by two subcommands that are not shown.
enum Ticking {
  static let program = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
  static let interval = TimeAmount.milliseconds(20)

  /// The clock that all processes of a machine have in common, nanoseconds.
  static func now() -> Int64 { Int64(NIODeadline.now().uptimeNanoseconds) }
}

/// A service that says something every 20 ms to whoever connects.
struct Ticks: AsyncParsableCommand {
  static let configuration = CommandConfiguration(shouldDisplay: false)
  @Argument var port: Int

  func run() async throws {
    let listener = try await serve(port) { Ticker() }
    print("listening")
    fflush(nil)
    try await listener.closeFuture.get()
  }

  private final class Ticker: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    func channelActive(context: ChannelHandlerContext) { tick(context) }

    private func tick(_ context: ChannelHandlerContext) {
      guard context.channel.isActive else { return }
      if context.channel.isWritable { context.writeAndFlush(NIOAny(ByteBuffer(string: ".")), promise: nil) }
      context.eventLoop.assumeIsolated().scheduleTask(in: Ticking.interval) { self.tick(context) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
  }
}

/// A client that writes down when something came, and connects again when it is cut off.
struct Listen: AsyncParsableCommand {
  static let configuration = CommandConfiguration(shouldDisplay: false)
  @Argument var port: Int
  @Argument var file: String

  func run() async throws {
    guard FileManager.default.createFile(atPath: file, contents: nil), let output = FileHandle(forWritingAtPath: file)
    else { throw ValidationError("cannot write \(file)") }
    while true {
      let connection = try? await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .connect(host: "127.0.0.1", port: port) { channel in
          channel.eventLoop.makeCompletedFuture {
            try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
          }
        }
      var hasHeard = false
      do {
        try await connection?.executeThenClose { inbound, _ in
          for try await _ in inbound {
            hasHeard = true
            try output.write(contentsOf: Data("\(Ticking.now())\n".utf8))
          }
        }
      } catch {}
      if hasHeard { try output.write(contentsOf: Data("cut\n".utf8)) }
      try await Task.sleep(for: .milliseconds(20))
    }
  }
}
