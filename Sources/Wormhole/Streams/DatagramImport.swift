import Datagrams
import NIOCore
import NIOPosix

/// The UDP port of an imported service: a flow for each client that sends to it. Lives on the importer's event loop.
final class DatagramImport: ChannelInboundHandler {
  typealias InboundIn = AddressedEnvelope<ByteBuffer>

  private let service: ImportedService
  private let importer: ImporterState
  /// All flows share the port, and what may wait at it.
  private let outlet: DatagramOutlet
  private var flows: [SocketAddress: DatagramFlow] = [:]

  /// Each is a socket on the other end.
  private static let flowLimit = 1024

  static func bind(
    _ service: ImportedService, at address: SocketAddress, state: NIOLoopBound<ImporterState>,
    on eventLoop: any EventLoop
  ) async throws -> any Channel {
    try await DatagramBootstrap(group: eventLoop)
      .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 65_536))
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(DatagramImport(service, state.value, DatagramOutlet(channel)))
        }
      }
      .bind(to: address).get()
  }

  private init(_ service: ImportedService, _ importer: ImporterState, _ outlet: DatagramOutlet) {
    self.service = service
    self.importer = importer
    self.outlet = outlet
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let envelope = unwrapInboundIn(data)
    flow(for: envelope.remoteAddress, context)?.send(envelope.data)
  }

  /// A single datagram's error is none of the others' business.
  func errorCaught(context: ChannelHandlerContext, error: any Error) {}

  func channelInactive(context: ChannelHandlerContext) {
    for flow in flows.values { flow.cut(for: CloseReason(.reset, "the importer was closed")) }
  }

  private func flow(for client: SocketAddress, _ context: ChannelHandlerContext) -> DatagramFlow? {
    if let flow = flows[client] { return flow }
    // Nothing waits for a tunnel here: who sends datagrams sends them again.
    guard let tunnel = importer.readyTunnel(for: service.request) else { return nil }
    if flows.count >= Self.flowLimit {
      flows.values.min { $0.lastUse < $1.lastUse }?.cut(for: CloseReason(.busy, "too many clients send datagrams"))
    }
    let flow = DatagramFlow()
    do throws(CloseReason) {
      let id = try tunnel.open(service.request, for: flow)
      flow.begin(id, of: tunnel, on: context.eventLoop)
    } catch {
      importer.warn("a client of \(service) was refused: \(error)")
      return nil
    }
    let outlet = outlet
    flow.output = { datagram in outlet.write(datagram, to: client) }
    flow.flushOutput = { outlet.flush() }
    flow.onEnd = { [weak self] in self?.flows[client] = nil }
    flows[client] = flow
    return flow
  }
}
