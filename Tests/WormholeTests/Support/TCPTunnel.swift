import NIOCore
import NIOPosix
import Wormhole

/// Tunnels over TCP on loopback, in place of a tubus: any stream channel is a tunnel.
struct TCPTunnel {
  let importer: any Channel
  let exporter: any Channel

  /// Both ends of a new connection.
  static func make(
    importerOn importerLoop: any EventLoop, exporterOn exporterLoop: any EventLoop = loop
  ) async throws -> TCPTunnel {
    let accepted = exporterLoop.makePromise(of: (any Channel).self)
    let listener = try await ServerBootstrap(group: exporterLoop, childGroup: exporterLoop)
      .childChannelOption(.autoRead, value: false)
      .childChannelInitializer { channel in
        // Active only after this.
        channel.eventLoop.execute { accepted.succeed(channel) }
        return channel.eventLoop.makeSucceededVoidFuture()
      }
      .bind(host: "127.0.0.1", port: 0).get()
    do {
      let importer = try await ClientBootstrap(group: importerLoop).channelOption(.autoRead, value: false)
        .connect(to: listener.localAddress ?? SocketAddress(ipAddress: "127.0.0.1", port: 1)).get()
      let exporter = try await accepted.futureResult.get()
      try await listener.close()
      return TCPTunnel(importer: importer, exporter: exporter)
    } catch {
      accepted.fail(error)
      try? await listener.close()
      throw error
    }
  }

  static var loop: any EventLoop { MultiThreadedEventLoopGroup.singleton.next() }

  func close() async {
    try? await importer.close()
    try? await exporter.close()
  }
}
