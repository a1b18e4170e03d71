import DatagramSockets

/// What belonged to a socket that was closed, while it ends. The socket of the passage owns it: whoever closes that waits for it.
struct ClosingCompanion: SocketCompanion {
  private let end: Task<Void, Never>

  init(_ companion: any SocketCompanion) { end = Task { await companion.socketDidClose() } }

  func socketDidClose() async { await end.value }
}
