import NIOCore
import NIOPosix

/// A program around the model of the old wire: carries real TCP connections over a tunnel, as the C++ one does. Lives on one event loop.
final class OldWireProgram: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private var peer: OldWirePeer
  private var sockets: [UInt32: any Channel] = [:]
  private var early: [UInt32: [UInt8]] = [:]
  private var tunnel: ChannelHandlerContext?
  private let servicePort: Int

  private init(_ role: OldWirePeer.Role, servicePort: Int) {
    peer = OldWirePeer(role)
    self.servicePort = servicePort
  }

  /// Exports a service over a tunnel.
  static func export(_ servicePort: Int, over tunnel: any Channel) async throws {
    try await tunnel.eventLoop.submit {
      try tunnel.pipeline.syncOperations.addHandler(OldWireProgram(.exporter, servicePort: servicePort))
    }.get()
  }

  /// Listens for clients, and returns the listener.
  static func importClients(over tunnel: any Channel) async throws -> any Channel {
    let program = try await tunnel.eventLoop.submit {
      let program = OldWireProgram(.importer, servicePort: 0)
      try tunnel.pipeline.syncOperations.addHandler(program)
      return NIOLoopBound(program, eventLoop: tunnel.eventLoop)
    }.get()
    return try await ServerBootstrap(group: tunnel.eventLoop, childGroup: tunnel.eventLoop)
      .serverChannelOption(.backlog, value: 1024)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let program = program.value
          try program.attach(channel, as: program.peer.openStream())
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
  }

  func handlerAdded(context: ChannelHandlerContext) {
    tunnel = context
    context.channel.setOption(.autoRead, value: true).whenFailure { _ in }
    context.read()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    for event in peer.receive(unwrapInboundIn(data).readableBytesView) {
      switch event {
      case .opened(let id): connect(id, context)
      case .data(let id, let bytes):
        if let socket = sockets[id] {
          socket.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
        } else {
          early[id, default: []] += bytes
        }
      case .closed(let id): sockets.removeValue(forKey: id)?.close(promise: nil)
      }
    }
    flush()
  }

  /// Its clients end with it.
  func channelInactive(context: ChannelHandlerContext) {
    tunnel = nil
    let left = sockets
    sockets = [:]
    for socket in left.values { socket.close(promise: nil) }
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) { tunnel = nil }

  private func connect(_ id: UInt32, _ context: ChannelHandlerContext) {
    ClientBootstrap(group: context.eventLoop).connect(host: "127.0.0.1", port: servicePort)
      .hop(to: context.eventLoop).assumeIsolated().whenComplete { result in
        switch result {
        case .success(let socket):
          guard self.peer.open.contains(id) else { return socket.close(promise: nil) }
          try? self.attach(socket, as: id)
        case .failure:
          self.peer.close(id)
          self.flush()
        }
      }
  }

  private func attach(_ socket: any Channel, as id: UInt32) throws {
    sockets[id] = socket
    try socket.pipeline.syncOperations.addHandler(Socket(self, id))
    if let bytes = early.removeValue(forKey: id) { socket.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil) }
    flush()
  }

  private func flush() {
    let output = peer.takeOutput()
    if !output.isEmpty { tunnel?.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: output)), promise: nil) }
  }

  private final class Socket: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let program: OldWireProgram
    private let id: UInt32

    init(_ program: OldWireProgram, _ id: UInt32) { (self.program, self.id) = (program, id) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      program.peer.send(Array(unwrapInboundIn(data).readableBytesView), on: id)
      program.flush()
    }

    func channelInactive(context: ChannelHandlerContext) {
      program.sockets[id] = nil
      program.peer.close(id)
      program.flush()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
  }
}
