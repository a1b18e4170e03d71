import Datagrams

extension UDPSocket {
  /// Runs a core on this socket, which stays open.
  ///
  /// - Throws: `CancellationError` as soon as the task is cancelled, and what `receive(until:)` throws when the socket
  ///   is closed. A send that fails is the core's matter.
  public func run<Core: DatagramCore>(_ core: inout Core) async throws -> Core.Outcome {
    var clock = ArrivalClock()
    while true {
      while let transmit = core.pollTransmit() {
        var failure: (any Error)?
        do { try await send(transmit) } catch { failure = error }
        core.handleSent(transmit, failure: failure, now: MonotonicClock.now)
      }
      if let outcome = core.pollOutcome() { return outcome }
      let timeout = core.pollTimeout()
      let datagram = try await receive(until: timeout ?? .distantFuture)
      let now = clock.now(hasDatagram: datagram != nil, before: timeout)
      if let datagram { core.receive(datagram, now: now) }
      core.handleTimeout(now: now)
    }
  }
}
