import Foundation
import HolePunching
import PlexusTesting
import Testing

@Suite struct HandshakeDatagramTests {
  private struct Exchange: Decodable {
    struct Packet: Decodable {
      let hex: String
      let flag: UInt8
    }
    let secret: String
    let packets: [Packet]
  }

  @Test func theCapturedExchangeReproducesExactly() throws {
    let url = try #require(Bundle.module.url(forResource: "handshake", withExtension: "json", subdirectory: "Fixtures"))
    let exchange = try JSONDecoder().decode(Exchange.self, from: Data(contentsOf: url))
    let secret = try #require(UInt64(exchange.secret))
    #expect(exchange.packets.count == 4)
    for packet in exchange.packets {
      let wire = Self.bytes(hex: packet.hex)
      let datagram = try #require(HandshakeDatagram(decoding: wire, secret: secret))
      #expect(datagram.flag.rawValue == packet.flag)
      #expect(datagram.encoded(secret: secret) == wire)
      let plain = datagram.plainBytes
      #expect(plain.reduce(0, ^) == 0)
      let again = HandshakeDatagram(
        datagram.flag, nonce: (plain[0], plain[1], plain[2], plain[3], plain[4], plain[5], plain[6]))
      #expect(again.encoded(secret: secret) == wire)
    }
  }

  @Test func datagramsSurviveTheWireAndOnlyThat() async throws {
    for seed in TestSeeds.schedules(200) {
      await Task.yield()
      var random = SeededGenerator(seed: seed)
      let (secret, flag) = (random.next(), HandshakeDatagram.Flag(rawValue: UInt8(random.next() & 1)) ?? .probe)
      let datagram = HandshakeDatagram(flag, using: &random)
      let wire = datagram.encoded(secret: secret)
      #expect(HandshakeDatagram(decoding: wire, secret: secret) == datagram, "PLEXUS_SEED=\(seed)")
      #expect(datagram.flag == flag)
      for length in 0..<wire.count {
        #expect(HandshakeDatagram(decoding: wire.prefix(length), secret: secret) == nil)
      }
      #expect(HandshakeDatagram(decoding: wire + [0], secret: secret) == nil)
      var damaged = wire
      damaged[Int.random(in: 0..<8, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
      #expect(HandshakeDatagram(decoding: damaged, secret: secret) == nil, "PLEXUS_SEED=\(seed)")
    }
  }

  @Test func oneStrayIn256HasARightSum() {
    var random = SeededGenerator(seed: 1)
    let valid = (0..<25_600).count { _ in
      let word = random.next()
      return HandshakeDatagram(decoding: withUnsafeBytes(of: word) { Array($0) }, secret: 42) != nil
    }
    #expect((60...140).contains(valid))
  }

  private static func bytes(hex: String) -> [UInt8] {
    stride(from: 0, to: hex.utf8.count, by: 2).compactMap { UInt8(hex.dropFirst($0).prefix(2), radix: 16) }
  }
}
