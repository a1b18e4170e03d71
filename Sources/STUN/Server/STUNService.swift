import DatagramSockets
import Datagrams
import Synchronization

/// A STUN server on real sockets: the thin driver of ``STUNServerCore``.
public final class STUNService: Sendable {
  /// The endpoints it is bound to.
  public let endpoints: [Endpoint]
  /// What became of the datagrams so far.
  public var counts: STUNServerCore.Counts { core.withLock { $0.counts } }
  private let sockets: [UDPSocket]
  private let core: Mutex<STUNServerCore>

  /// Binds each port on each address.
  ///
  /// - Parameters:
  ///   - addresses: one, or two for all of RFC 5780; of one family.
  ///   - ports: one, or two; 0 takes any free port, the same on each address.
  /// - Throws: `UDPSocketError` naming what cannot be bound; nothing stays bound then.
  public static func bind(
    addresses: [IPAddress], ports: [UInt16], limits: STUNServerCore.Limits = .init()
  ) async throws -> STUNService {
    // A free port of one address may be taken on the other, so ask for some more then.
    var attempts = ports.contains(0) ? 10 : 1
    while true {
      attempts -= 1
      var sockets: [UDPSocket] = []
      do {
        for port in ports {
          var port = port
          for address in addresses {
            let socket = try await UDPSocket.bind(to: Endpoint(address: address, port: port))
            sockets.append(socket)
            port = socket.localEndpoint.port
          }
        }
        return STUNService(sockets: sockets, limits: limits)
      } catch {
        for socket in sockets { await socket.close() }
        guard attempts > 0 else { throw error }
      }
    }
  }

  private init(sockets: [UDPSocket], limits: STUNServerCore.Limits) {
    self.sockets = sockets
    endpoints = sockets.map(\.localEndpoint)
    core = Mutex(STUNServerCore(endpoints: endpoints, limits: limits, now: MonotonicClock.now))
  }

  /// Serves until cancelled, then closes the sockets.
  ///
  /// - Throws: `CancellationError`, or the error of a socket that broke.
  public func run() async throws {
    let result: Result<Void, any Error>
    do {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for index in sockets.indices { group.addTask { try await self.serve(index) } }
        defer { group.cancelAll() }
        for try await _ in group {}
      }
      result = .success(())
    } catch {
      result = .failure(error)
    }
    await close()
    try result.get()
  }

  /// Closes the sockets of a service that is not running.
  public func close() async {
    for socket in sockets { await socket.close() }
  }

  private func serve(_ index: Int) async throws {
    while let datagram = try await sockets[index].receive(until: .distantFuture) {
      let answer = core.withLock { $0.receive(datagram, on: index, now: MonotonicClock.now) }
      // An answer that cannot be sent is one that got lost.
      if let answer { try? await sockets[answer.socket].send(answer.transmit) }
    }
  }
}
