import Datagrams
import NIOCore
import NIOPosix

/// The socket of one flow of datagrams towards an exported service. Lives on the tunnel's event loop.
final class DatagramExport: ChannelInboundHandler {
  typealias InboundIn = AddressedEnvelope<ByteBuffer>

  private let flow: DatagramFlow
  private let service: ExportedService

  /// Opens a flow's socket.
  ///
  /// - Parameter judge: is told whether the service could be reached.
  static func begin(
    _ service: ExportedService, stream id: UInt32, of tunnel: TunnelHandler, on eventLoop: any EventLoop,
    judge: @escaping (CloseReason?) -> Void
  ) {
    let flow = DatagramFlow()
    tunnel.add(flow, as: id)
    flow.begin(id, of: tunnel, on: eventLoop)
    let handler = DatagramExport(flow, service)
    let bound = NIOLoopBound(handler, eventLoop: eventLoop)
    let resolved = eventLoop.makeFutureWithTask { try await service.address.resolve() }
    resolved.flatMap { address in
      DatagramBootstrap(group: eventLoop)
        .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 65_536))
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(bound.value) }
        }
        .connect(to: address)
    }
    .assumeIsolated().whenComplete { result in
      switch result {
      case .success(let channel): handler.begin(channel)
      case .failure(let error):
        let reason = CloseReason(connectingTo: service, error: error)
        flow.cut(for: reason)
        judge(reason)
      }
    }
  }

  private init(_ flow: DatagramFlow, _ service: ExportedService) {
    self.flow = flow
    self.service = service
  }

  private func begin(_ channel: any Channel) {
    guard let address = channel.remoteAddress, flow.isOpen else { return channel.close(promise: nil) }
    flow.onEnd = { channel.close(promise: nil) }
    let outlet = DatagramOutlet(channel)
    flow.flushOutput = { outlet.flush() }
    flow.output = { datagram in outlet.write(datagram, to: address) }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) { flow.send(unwrapInboundIn(data).data) }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    flow.cut(for: CloseReason(connectingTo: service, error: error))
  }

  func channelInactive(context: ChannelHandlerContext) {
    flow.cut(for: CloseReason(.reset, "the socket was closed"))
  }
}
