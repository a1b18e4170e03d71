import ArgumentParser
import DatagramSockets
import Datagrams

/// A payload: takes over the punched port and talks to the peer's one across it.
struct TalkCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "talk", abstract: "Talk through a passage; a payload for --exec-command.")

  @Argument(help: "Who is talking.") var name: String
  @Argument(help: "%inner%", transform: endpoint) var inner: Endpoint
  @Argument(help: "%alien%", transform: endpoint) var peer: Endpoint

  /// Lines to say, and to hear.
  private static let lines = 3
  /// Long enough for a peer whose payload starts later.
  private static let patience = Duration.seconds(10)
  /// Often enough to be seen at once, and to get past loss.
  private static let interval = Duration.milliseconds(100)

  func run() async throws {
    let socket = try await UDPSocket.bind(to: inner)
    do {
      try await talk(over: socket)
      await socket.close()
    } catch {
      await socket.close()
      throw error
    }
  }

  /// Says every line up to the one after the last heard, again and again; when all are heard, three times more for the
  /// peer, whom the last ones may not have reached.
  private func talk(over socket: UDPSocket) async throws {
    let end = MonotonicClock.now.advanced(by: Self.patience)
    var heard = 0
    var farewells = 0
    while farewells < 3 {
      guard MonotonicClock.now < end else {
        throw LabToolError(
          "\(name) heard \(heard) of \(Self.lines) lines from \(peer); the passage does not carry them")
      }
      if heard == Self.lines { farewells += 1 }
      for line in 1...min(heard + 1, Self.lines) {
        try await socket.send(Transmit(to: peer, payload: Array("hello from \(name), line \(line)".utf8)))
      }
      let next = MonotonicClock.now.advanced(by: Self.interval)
      while let datagram = try await socket.receive(until: next) {
        let text = String(decoding: datagram.payload, as: UTF8.self)
        // Datagrams of the handshake may still arrive here; they are no lines.
        guard datagram.source == peer, heard < Self.lines, text.hasSuffix(", line \(heard + 1)") else { continue }
        heard += 1
        print("\(name) hears: \(text)")
      }
    }
  }
}

func endpoint(_ text: String) throws -> Endpoint {
  guard let endpoint = Endpoint(text) else { throw ValidationError("\(text) is not address:port") }
  return endpoint
}
