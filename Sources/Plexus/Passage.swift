import DatagramSockets
import Datagrams
import HolePunching
import Identity
import PortMapping
import Synchronization

/// An open way for UDP datagrams between two peers: who is at its ends, where, and the socket that holds it open.
///
/// Whoever gets a passage owns its socket: it becomes a stream by ``openStream()``, is taken over, or closed, or handed to a payload
/// program by ``start(_:)``.
public struct Passage: Sendable {
  /// Who is at the ends, and where.
  public let description: PassageDescription
  /// The socket that was punched.
  public let socket: UDPSocket
  /// The round trip that the handshake saw, if it saw one whole.
  public let roundTrip: Duration?
  /// Whether a stream over it is encrypted: both sides are this implementation, and want streams.
  public let isSecurable: Bool
  let role: PunchRole
  let plexus: Plexus
  let identity: PeerIdentity
  /// The stream that both ends want to carry on over it.
  let continues: StreamToken?
  let use = Use()

  /// Whether it carries a stream, which owns the socket then.
  final class Use: Sendable {
    private let isStream = Atomic(false)

    /// Whether nobody did it before.
    func begin() -> Bool { !isStream.exchange(true, ordering: .relaxed) }
    var isBegun: Bool { isStream.load(ordering: .relaxed) }
  }

  var telemetry: Telemetry { plexus.telemetry }

  /// Gives the passage up. Closing twice does nothing, nor where it has become a stream, which is closed by itself; a passage whose ``socket``
  /// was handed on otherwise must not be closed.
  public func close() async {
    if !use.isBegun { await socket.close() }
  }

  /// Closes the socket and starts a program that binds the same port at once.
  ///
  /// Where the router forwards the port it goes on to do so until the program's end, if somebody waits for that; else for two hours at most.
  ///
  /// - Throws: ``PlexusError`` (`payloadNotStarted`). The socket is closed in any case.
  @discardableResult
  public func start(_ payload: Payload) async throws(PlexusError) -> PayloadProcess {
    let leases = socket.detachCompanions().compactMap { $0 as? PortLease }
    await socket.close()
    var process: PayloadProcess
    do { process = try payload.start(for: description) } catch {
      for lease in leases { await lease.end() }
      throw error
    }
    process.leases = leases
    for lease in leases { await lease.handOver(for: Self.payloadLease) }
    telemetry.tell(
      .payloadStarted(peer: description.peer, command: payload.command, process: process.processID))
    return process
  }

  /// What RFC 6886 3.3 recommends: nobody may be left to renew it, and what goes on by then keeps its way through the NAT by itself.
  private static let payloadLease: Duration = .seconds(7200)

  /// Waits for the end of a payload and logs it.
  ///
  /// - Returns: its exit status, or 128 and the signal that ended it.
  /// - Throws: `CancellationError` when the task is cancelled; the program goes on.
  @discardableResult
  public func awaitEnd(of process: PayloadProcess, started payload: Payload) async throws -> Int32 {
    let status = try await process.exitStatus()
    telemetry.tell(
      .payloadEnded(
        peer: description.peer, command: payload.command, process: process.processID, status: status))
    return status
  }
}
