import DatagramSockets
import Datagrams
import LibC
import NIOCore

/// STUN over real sockets: the thin drivers of ``NetworkExplorer`` and ``MappingKeeper``.
public enum STUNClient {
  /// Finds out the public endpoint of a socket and how its NAT maps, using this socket alone.
  ///
  /// Returns as soon as both are known, or the kind of mapping will not be known soon: after the first answer, what is
  /// missing gets 100 ms or two round trips. While it runs, whatever else arrives on the socket is dropped.
  ///
  /// - Parameters:
  ///   - servers: asked all at once; those of another address family than the socket count as unreachable.
  ///   - timeout: how long to wait for a first answer. Three seconds hold three requests to a silent server.
  ///   - onEvent: told what becomes known, among it which servers fail, on the caller's task.
  /// - Throws: ``STUNError`` that names each server and its fault if none answered; `CancellationError`; the socket's
  ///   own error once that is closed.
  public static func discoverMapping(
    on socket: UDPSocket, servers: [STUNServer], timeout: Duration = .seconds(3),
    retransmission: RetransmissionPolicy = .init(), onEvent: (ExplorationEvent) -> Void = { _ in }
  ) async throws -> MappingReport {
    let report = try await run(
      .init(scope: .mapping, budget: timeout, retransmission: retransmission), servers: servers, sockets: [socket],
      onEvent: onEvent)
    guard let mapping = MappingReport(report) else { throw STUNError.noAnswer(report.servers) }
    return mapping
  }

  /// Explores the network with sockets of its own, all of which are closed on return.
  ///
  /// - Parameters:
  ///   - local: where to bind the first socket; the others take any port of the same address.
  ///   - budget: it never takes longer, however many tests meet silence.
  ///   - onEvent: told what becomes known, on the caller's task.
  /// - Returns: a report even if no server answered: it says what went wrong with each.
  /// - Throws: `UDPSocketError` if `local` cannot be bound; ``STUNError`` without any server; `CancellationError`.
  public static func explore(
    servers: [STUNServer], local: Endpoint, budget: Duration = .milliseconds(1500),
    retransmission: RetransmissionPolicy = .init(), onEvent: (ExplorationEvent) -> Void = { _ in }
  ) async throws -> NetworkReport {
    let count = NetworkExplorer.socketCount(scope: .everything, servers: servers.count)
    var sockets: [UDPSocket] = []
    let result: Result<NetworkReport, any Error>
    do {
      for index in 0..<count {
        sockets.append(
          try await UDPSocket.bind(to: index == 0 ? local : Endpoint(address: local.address, port: 0)))
      }
      result = .success(
        try await run(
          .init(budget: budget, retransmission: retransmission), servers: servers, sockets: sockets, onEvent: onEvent))
    } catch {
      result = .failure(error)
    }
    for socket in sockets { await socket.close() }
    return try result.get()
  }

  private static func run(
    _ configuration: NetworkExplorer.Configuration, servers: [STUNServer], sockets: [UDPSocket],
    onEvent: (ExplorationEvent) -> Void
  ) async throws -> NetworkReport {
    guard !servers.isEmpty else { throw STUNError.noServer }
    var random = SystemRandomNumberGenerator()
    let bound = sockets.map(\.localEndpoint)
    var explorer = NetworkExplorer(
      servers: servers,
      localAddresses: servers.map { server in
        bound.first.flatMap {
          $0.address.isUnspecified ? LocalRoute.localAddress(towards: server.endpoint) : $0.address
        }
      },
      sockets: bound, configuration: configuration, now: MonotonicClock.now, using: &random)

    // One reader a socket. Each waits until the timeout that was the next one when its wait began; the reader that
    // starts last always knows the present one, so that none is missed, and waking too early does no harm.
    return try await withThrowingTaskGroup(of: (Int, Datagram?).self) { readers in
      func read(_ index: Int, until deadline: Instant) {
        readers.addTask { [socket = sockets[index]] in (index, try await socket.receive(until: deadline)) }
      }
      defer { readers.cancelAll() }
      var idle = Array(sockets.indices)
      var clock = ArrivalClock()
      while true {
        while let pending = explorer.pollTransmit() {
          do {
            try await sockets[pending.socket].send(pending.transmit)
          } catch {
            try Task.checkCancellation()
            explorer.sendFailed(pending, reason: reason(of: error), now: MonotonicClock.now)
          }
        }
        while let event = explorer.pollEvent() {
          onEvent(event)
          if case .finished(let report) = event { return report }
        }
        for index in idle { read(index, until: explorer.pollTimeout() ?? .distantFuture) }
        guard let (index, datagram) = try await readers.next() else { throw CancellationError() }
        idle = [index]
        let now = clock.now(hasDatagram: datagram != nil, before: explorer.pollTimeout())
        if let datagram { explorer.receive(datagram, on: index, now: now) }
        explorer.handleTimeout(now: now)
      }
    }
  }

  static func reason(of error: any Error) -> String {
    (error as? UDPSocketError)?.reason ?? "\(error)"
  }
}
