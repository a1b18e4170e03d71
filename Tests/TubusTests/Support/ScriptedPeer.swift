import DatagramSockets
import Datagrams
import Synchronization

@testable import Tubus

/// A peer on a socket of its own that says what a test wants it to, and nothing else.
final class ScriptedPeer: Sendable {
  private let socket: UDPSocket
  private let listener: Endpoint
  /// The numbers of the pings that it was sent, under whatever pin.
  private let pings = Mutex<Set<UInt64>>([])

  init(of listener: Endpoint) async throws {
    self.listener = listener
    socket = try await UDPSocket.bind(to: .anyLoopback)
  }

  var hasHeardPings: Bool { pings.withLock { !$0.isEmpty } }

  /// Sends one datagram in the clear.
  func say(as pin: UInt32, _ sections: (inout DatagramWriter) -> Void) async throws {
    let payload = datagram(pin: pin, sections)
    try await socket.send(Transmit(to: listener, payload: payload))
  }

  /// Takes what has come, until nothing does for a moment.
  func listen() async throws {
    for _ in 0..<64 {
      guard let heard = try await socket.receive(until: MonotonicClock.now.advanced(by: .milliseconds(20))) else {
        return
      }
      for case .ping(let number) in sections(heard.payload) { pings.withLock { _ = $0.insert(number) } }
    }
  }

  /// Answers the pings that came, all of them, so that it shows where it is.
  func answer(as pin: UInt32) async throws {
    try await listen()
    let numbers = pings.withLock { $0 }
    try await say(as: pin) { writer in
      for number in numbers { _ = writer.append(.pingEcho, number) }
    }
  }

  func close() async { await socket.close() }
}
