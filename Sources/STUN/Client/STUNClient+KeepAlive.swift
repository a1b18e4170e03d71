import DatagramSockets
import Datagrams

extension STUNClient {
  /// Keeps the mapping of a socket alive until cancelled, dropping everything else that arrives on it.
  ///
  /// - Parameters:
  ///   - interval: the time between requests, at least 1 s. RFC 4787 (REQ-5) wants mappings to live for 2 minutes, but
  ///     many devices drop them after 30 s of silence: 15 s leaves room for one lost request.
  ///   - publicEndpoint: the one known so far.
  ///   - onChange: told each new public endpoint: the NAT forgot the old one, or the network changed.
  /// - Throws: `CancellationError` when cancelled; the socket's own error once that is closed. That the network cannot
  ///   be reached for a while is no error.
  public static func keepMappingAlive(
    on socket: UDPSocket, server: STUNServer, every interval: Duration = .seconds(15), publicEndpoint: Endpoint?,
    onChange: (Endpoint) -> Void = { _ in }
  ) async throws {
    var random = SystemRandomNumberGenerator()
    var keeper = MappingKeeper(
      server: server.endpoint, interval: interval, publicEndpoint: publicEndpoint, now: MonotonicClock.now)
    while true {
      // A closed socket shows in the next `receive`.
      if let transmit = keeper.pollTransmit() { try? await socket.send(transmit) }
      if let datagram = try await socket.receive(until: keeper.pollTimeout()),
        let changed = keeper.receive(datagram)
      {
        onChange(changed)
      }
      keeper.handleTimeout(now: MonotonicClock.now, using: &random)
    }
  }
}
