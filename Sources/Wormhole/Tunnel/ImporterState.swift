import Logging
import NIOCore

/// The importer's part that lives on its event loop: the tunnel of the moment, and the clients that wait for one.
final class ImporterState: TunnelOwner {
  private struct WaitingClient {
    let side: TCPSide
    let service: ImportedService
    let timeout: Scheduled<Void>
  }

  let eventLoop: any EventLoop
  let configuration: WormholeImporter.Configuration
  let counters: WormholeCounters
  private let logger: Logger

  private(set) var tunnel: TunnelHandler?
  /// When the far end has had the time to say that it is a Swift one.
  private var settling: [Scheduled<Void>] = []
  private var waiting: [ObjectIdentifier: WaitingClient] = [:]
  /// Clients in the order they came.
  private var line: [ObjectIdentifier] = []
  private var hasWarned = false
  /// Services of the far end that were not reached the last time, and why, so that a thousand clients make no thousand lines.
  private var missing: [StreamRequest: CloseReason.Code] = [:]

  /// A service that only a Swift far end can have is worth a longer wait.
  private static let insistence = TimeAmount.seconds(5)
  /// An exporter waits as long for its service as a client does for the tunnel, and its word for what is wrong is the better one.
  private static let lateWord = Duration.seconds(2)

  private var courtesy: TimeAmount { .nanoseconds(configuration.helloPatience.nanoseconds) }

  init(
    eventLoop: any EventLoop, configuration: WormholeImporter.Configuration, counters: WormholeCounters, logger: Logger
  ) {
    self.eventLoop = eventLoop
    self.configuration = configuration
    self.counters = counters
    self.logger = logger
  }

  // MARK: Tunnels

  /// Makes a channel the tunnel; the one before is over.
  func begin(_ channel: any Channel, end: EventLoopPromise<Void>) {
    tunnel?.close()
    let handler = TunnelHandler(
      role: .importer, limits: configuration.limits, offering: configuration.features, owner: self, counters: counters,
      logger: logger, answerPatience: .nanoseconds((configuration.clientPatience + Self.lateWord).nanoseconds), end: end
    )
    tunnel = handler
    hasWarned = false
    settling = [courtesy, Self.insistence].map { time in
      eventLoop.assumeIsolated().scheduleTask(in: time) { [weak self] in self?.openWaiting() }
    }
    do { try channel.pipeline.syncOperations.addHandler(handler) } catch {
      tunnel = nil
      end.fail(error)
    }
  }

  func tunnelIsSettled(_ tunnel: TunnelHandler) { openWaiting() }

  func tunnel(_ tunnel: TunnelHandler, opened id: UInt32, _ request: StreamRequest) {}

  func tunnel(_ tunnel: TunnelHandler, misses request: StreamRequest, for reason: CloseReason) -> Bool {
    missing.updateValue(reason.code, forKey: request) != reason.code
  }

  func tunnel(_ tunnel: TunnelHandler, reached request: StreamRequest) { missing[request] = nil }

  func tunnelHasEnded(_ tunnel: TunnelHandler) {
    guard self.tunnel === tunnel else { return }
    self.tunnel = nil
    for task in settling { task.cancel() }
  }

  /// Whether a request can be put to the far end now.
  func readyTunnel(for request: StreamRequest) -> TunnelHandler? {
    guard let tunnel, tunnel.isUp else { return nil }
    guard tunnel.features == nil, !configuration.isPlain else { return tunnel }
    let patience = request.isPlain ? courtesy : Self.insistence
    return tunnel.start + patience <= .now() ? tunnel : nil
  }

  // MARK: Clients

  /// Takes a client in, whose side is in its pipeline already.
  func admit(_ side: TCPSide, for service: ImportedService) {
    if let tunnel = readyTunnel(for: service.request) { return open(side, service, tunnel) }
    guard waiting.count < configuration.waitingClients else {
      warn("\(waiting.count) clients wait for the tunnel already; more are refused")
      return side.close(CloseReason(.busy, "too many clients wait"))
    }
    let id = ObjectIdentifier(side)
    let timeout = eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(configuration.clientPatience.nanoseconds)) {
      [weak self] in
      guard let self else { return }
      giveUp(id)
    }
    waiting[id] = WaitingClient(side: side, service: service, timeout: timeout)
    line.append(id)
    side.onEnd = { [weak self] side in self?.forget(ObjectIdentifier(side)) }
  }

  private func giveUp(_ id: ObjectIdentifier) {
    guard let client = forget(id) else { return }
    warn("there is no tunnel, so clients of \(client.service) are refused until the far end is back")
    client.side.close(CloseReason(.unreachable, "there is no tunnel"))
  }

  @discardableResult private func forget(_ id: ObjectIdentifier) -> WaitingClient? {
    guard let client = waiting.removeValue(forKey: id) else { return nil }
    client.timeout.cancel()
    client.side.onEnd = nil
    line.removeAll { $0 == id }
    return client
  }

  private func openWaiting() {
    for id in line {
      guard let client = waiting[id], let tunnel = readyTunnel(for: client.service.request) else { continue }
      forget(id)
      open(client.side, client.service, tunnel)
    }
  }

  private func open(_ side: TCPSide, _ service: ImportedService, _ tunnel: TunnelHandler) {
    do throws(CloseReason) {
      side.begin(try tunnel.open(service.request, for: side), of: tunnel)
    } catch {
      warn("a client of \(service) was refused: \(error)")
      side.close(error)
    }
  }

  /// Once a tunnel: a thousand clients need no thousand lines.
  func warn(_ sentence: String) {
    logger.log(
      level: hasWarned ? .debug : .warning, "\(sentence)", metadata: ["event": "wormhole.client.refused"])
    hasWarned = true
  }

  /// The end of the importer.
  func close() {
    for id in line { forget(id)?.side.close(CloseReason(.unreachable, "the importer was closed")) }
    tunnel?.close()
  }
}
