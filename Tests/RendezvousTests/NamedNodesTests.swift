import DatagramSockets
import Datagrams
import Testing

@testable import RendezvousDHT

/// Nodes that are named to a client of the DHT, and that it asks whether they are there: somebody may name what is no node.
@Suite("Nodes that a reply names", .timeLimit(.minutes(2)))
struct NamedNodesTests {
  private static let loopback = IPAddress.v4(0x7F00_0001)

  @Test("Only those that an asked node names are pinged, and no more than a few at a time")
  func pings() async throws {
    let client = try DHTNode(
      .init(port: 0, address4: "127.0.0.1", address6: nil, network: .random(in: 1...UInt32.max), serves: false),
      onStatus: { _ in })
    defer { client.stop() }
    let target = Endpoint(address: Self.loopback, port: client.port)
    let sockets = try await Sockets.bind()
    let (stranger, liar, spared, victim) = (sockets.all[0], sockets.all[1], sockets.all[2], sockets.all[3])

    try await stranger.send(Transmit(to: target, payload: Self.reply(naming: 1...50, at: spared.localEndpoint.port)))
    // Whom the client has asked something is heard.
    client.ping(address: "127.0.0.1", port: liar.localEndpoint.port)
    _ = try #require(try await liar.receive(until: MonotonicClock.now.advanced(by: .seconds(30))))
    let start = MonotonicClock.now
    for first in stride(from: 1, to: 3000, by: 50) {
      let reply = Self.reply(naming: first...(first + 49), at: victim.localEndpoint.port)
      try await liar.send(Transmit(to: target, payload: reply))
    }
    var count = 0
    // Until none comes for a while, or far too many have.
    var patience = Duration.seconds(30)
    while count < 2000, try await victim.receive(until: MonotonicClock.now.advanced(by: patience)) != nil {
      count += 1
      patience = .milliseconds(500)
    }
    let seconds = start.duration(to: MonotonicClock.now).milliseconds / 1000
    #expect(count > 0 && Double(count) <= 256 + 64 * (seconds + 1), "\(count) in \(seconds) s")
    // What the stranger said came before all that.
    #expect(try await spared.receive(until: MonotonicClock.now) == nil)
    await sockets.close()
  }

  /// A reply of OpenDHT in msgpack: `{"r": {"id": …, "n4": …}, "y": "r"}`; the nodes are other addresses of this host, all at one port.
  private static func reply(naming numbers: ClosedRange<Int>, at port: UInt16) -> [UInt8] {
    var nodes: [UInt8] = []
    for number in numbers {
      nodes += [UInt8](repeating: 0, count: 18) + [UInt8(number >> 8), UInt8(number & 0xFF)]
      nodes += [127, 1, UInt8(number >> 8), UInt8(number & 0xFF), UInt8(port >> 8), UInt8(port & 0xFF)]
    }
    let id = [0xC4, 20] + [UInt8](repeating: 7, count: 20)
    let named = [0xC5, UInt8(nodes.count >> 8), UInt8(nodes.count & 0xFF)] + nodes
    return [0x82, 0xA1] + "r".utf8 + [0x82, 0xA2] + "id".utf8 + id + [0xA2] + "n4".utf8 + named + [0xA1] + "y".utf8
      + [0xA1] + "r".utf8
  }

  private struct Sockets {
    let all: [UDPSocket]

    /// The last two hear what is sent to any address of this host.
    static func bind() async throws -> Sockets {
      var all: [UDPSocket] = []
      for address in [loopback, loopback, .v4(0), .v4(0)] {
        all.append(try await UDPSocket.bind(to: Endpoint(address: address, port: 0)))
      }
      return Sockets(all: all)
    }

    func close() async { for socket in all { await socket.close() } }
  }
}
