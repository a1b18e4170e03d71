import DatagramSockets
import Datagrams
import HolePunching
import Identity

/// An open way for UDP datagrams between two peers: who is at its ends, where, and the socket that holds it open.
///
/// Whoever gets a passage owns its socket: it is taken over, or closed, or handed to a payload program by ``start(_:)``.
public struct Passage: Sendable {
  /// Who is at the ends, and where.
  public let description: PassageDescription
  /// The socket that was punched.
  public let socket: UDPSocket
  /// The round trip that the handshake saw, if it saw one whole.
  public let roundTrip: Duration?

  /// Closes the socket and starts a program that binds the same port at once.
  ///
  /// - Throws: ``PlexusError`` (`payloadNotStarted`). The socket is closed in any case.
  public func start(_ payload: Payload) async throws(PlexusError) -> PayloadProcess {
    await socket.close()
    return try payload.start(for: description)
  }
}
