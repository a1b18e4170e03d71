import DatagramSockets
import HolePunching
import STUN

/// A socket beside the main one, and where servers see it.
struct AskedSocket: Sendable {
  /// The socket.
  let socket: PathSocket
  /// What servers said.
  let mapping: MappingReport
}
