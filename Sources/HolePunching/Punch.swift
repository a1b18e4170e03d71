import DatagramSockets
import Datagrams

/// Punches a hole to `peer` on `socket` and shakes hands, as a child of the calling task. The socket stays open, and
/// is free for a payload as soon as this returns.
///
/// - Parameters:
///   - secret: the XOR of the two puzzles of the rendezvous; the same on both sides.
///   - peer: the peer's public endpoint, of the socket's family.
/// - Throws: ``PunchFailure`` when there is no passage, `CancellationError` as soon as the task is cancelled.
public func punch(
  on socket: UDPSocket, as role: PunchRole, secret: UInt64, peer: Endpoint,
  configuration: PunchConfiguration = PunchConfiguration()
) async throws -> PunchResult {
  var puncher = Puncher(
    role: role, secret: secret, peer: peer, configuration: configuration, now: MonotonicClock.now,
    generator: SystemRandomNumberGenerator())
  return try await socket.run(&puncher).get()
}
