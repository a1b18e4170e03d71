import Datagrams
import Logging
import NIOCore
import NIOPosix

/// The exporter's part for one tunnel, which lives on the tunnel's event loop.
final class ExporterState: TunnelOwner {
  private let services: [ExportedService]
  private let configuration: WormholeExporter.Configuration
  private let counters: WormholeCounters
  private let logger: Logger
  private let eventLoop: any EventLoop
  var tunnel: TunnelHandler?
  /// Services that did not answer the last time, so that a thousand clients make no thousand lines.
  private var failing: Set<ExportedService> = []

  init(
    services: [ExportedService], configuration: WormholeExporter.Configuration, counters: WormholeCounters,
    logger: Logger, eventLoop: any EventLoop
  ) {
    self.services = services
    self.configuration = configuration
    self.counters = counters
    self.logger = logger
    self.eventLoop = eventLoop
  }

  func begin(_ channel: any Channel, end: EventLoopPromise<Void>) {
    let handler = TunnelHandler(
      role: .exporter, limits: configuration.limits, offering: configuration.features, owner: self, counters: counters,
      logger: logger, end: end)
    tunnel = handler
    do { try channel.pipeline.syncOperations.addHandler(handler) } catch { end.fail(error) }
  }

  func tunnelIsSettled(_ tunnel: TunnelHandler) {}

  func tunnel(_ tunnel: TunnelHandler, misses request: StreamRequest, for reason: CloseReason) -> Bool { false }

  func tunnel(_ tunnel: TunnelHandler, reached request: StreamRequest) {}

  func tunnelHasEnded(_ tunnel: TunnelHandler) {}

  func tunnel(_ tunnel: TunnelHandler, opened id: UInt32, _ request: StreamRequest) {
    guard let service = service(for: request) else {
      logger.warning(
        "The far end asked for \(request), which is not exported; it was refused",
        metadata: ["event": "wormhole.service.unknown"])
      return tunnel.cut(id, for: CloseReason(.unknownService, "\(request) is not exported"))
    }
    if service.isDatagram {
      DatagramExport.begin(service, stream: id, of: tunnel, on: eventLoop) { [weak self] in self?.judge(service, $0) }
    } else {
      connect(to: service, stream: id, of: tunnel)
    }
  }

  /// The service that is meant, if it is offered. Without a name that is the one without a name, or else the first of its kind.
  private func service(for request: StreamRequest) -> ExportedService? {
    services.first { $0.request == request }
      ?? (request.service.isEmpty ? services.first { $0.isDatagram == (request.kind == .udp) } : nil)
  }

  private func connect(to service: ExportedService, stream id: UInt32, of tunnel: TunnelHandler) {
    let side = TCPSide()
    // What comes before the service answers waits in the side.
    tunnel.add(side, as: id)
    side.begin(id, of: tunnel)
    let bootstrap = TCPSide.prepare(ClientBootstrap(group: eventLoop))
      .connectTimeout(.nanoseconds(configuration.connectPatience.nanoseconds))
    service.connect(by: bootstrap).hop(to: eventLoop).assumeIsolated().whenComplete { [weak self] result in
      switch result {
      case .success(let channel):
        do { try channel.pipeline.syncOperations.addHandler(side) } catch { channel.close(promise: nil) }
        tunnel.connected(id)
        self?.judge(service, nil)
      case .failure(let error):
        let reason = CloseReason(connectingTo: service, error: error)
        tunnel.cut(id, for: reason)
        self?.judge(service, reason)
      }
    }
  }

  private func judge(_ service: ExportedService, _ problem: CloseReason?) {
    guard let problem else {
      failing.remove(service)
      return
    }
    let isNew = failing.insert(service).inserted
    logger.log(
      level: isNew ? .warning : .debug, "\(problem)", metadata: ["event": "wormhole.service.unreachable"])
  }
}

extension ExportedService {
  func connect(by bootstrap: ClientBootstrap) -> EventLoopFuture<any Channel> {
    // Numbers need no look-up, and no thread for one.
    if let ip = IPAddress(address.host), let port = address.port,
      let socketAddress = try? SocketAddress(packedIPAddress: ByteBuffer(bytes: ip.bytes), port: Int(port))
    {
      return bootstrap.connect(to: socketAddress)
    }
    return bootstrap.connect(host: address.host, port: Int(address.port ?? 0))
  }
}

extension CloseReason {
  init(connectingTo service: ExportedService, error: any Error) {
    let codes = ((error as? NIOConnectionError)?.connectionErrors.map(\.error) ?? [error]).map { error in
      (error as? IOError)?.errnoCode
    }
    if codes.contains(ECONNREFUSED) {
      self.init(.refused, "nobody listens on \(service.address); start the service, or export another address")
    } else if codes.contains(EMFILE) || codes.contains(ENFILE) {
      self.init(.busy, "no descriptor is left for a connection to \(service.address); allow more (ulimit -n)")
    } else {
      self.init(.unreachable, "cannot connect to \(service.address): \(Self.text(of: error))")
    }
  }

  private static func text(of error: any Error) -> String {
    switch error {
    case let error as IOError: String(cString: strerror(error.errnoCode))
    case is ChannelError: "it did not answer in time"
    case let error as NIOConnectionError:
      error.connectionErrors.first.map { text(of: $0.error) } ?? "its name has no address"
    default: "\(error)"
    }
  }
}

extension StreamRequest: CustomStringConvertible {
  /// How a log line names it.
  var description: String { service.isEmpty ? "a \(kindName) without a name" : "the \(kindName) \"\(service)\"" }

  /// How the importer's log names it.
  var atTheFarEnd: String { "the far end's \(kindName)" + (service.isEmpty ? "" : " \"\(service)\"") }

  private var kindName: String { kind == .udp ? "UDP service" : "service" }
}
