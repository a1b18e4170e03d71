import PlexusTesting
import Testing

@testable import Tubus

@Suite struct WireTests {
  @Test(arguments: ["tubus-plain", "tubus-obscured"]) func capturedDatagramsReproduceExactly(name: String) throws {
    let capture = try Capture.load(name)
    #expect(capture.packets.count > 20)
    for (packet, plain) in capture.plainPackets {
      let header = try #require(plain.withUnsafeBytes { DatagramHeader($0) })
      var again = datagram(pin: header.pin) { writer in
        for section in sections(plain) { Self.write(section, of: plain, to: &writer) }
      }
      #expect(again == plain)
      guard let obscuring = Obscuring(secret: capture.secret) else { continue }
      let salt = packet.bytes.withUnsafeBytes { $0.bigEndian(UInt64.self, at: 0) } ^ capture.secret
      again.withUnsafeMutableBytes { obscuring.mask($0, salt: salt) }
      #expect(again == packet.bytes)
    }
  }

  @Test func bothCapturesTellTheSameStory() throws {
    let streams = try ["tubus-plain", "tubus-obscured"].map { name in
      try Capture.load(name).plainPackets.reduce(into: [String: [UInt8]]()) { streams, packet in
        for case .move(_, let data) in sections(packet.bytes) {
          streams[packet.packet.from, default: []] += packet.bytes[data]
        }
      }
    }
    #expect(streams[0]["importer"] == streams[1]["importer"])
    #expect(streams[0]["importer"].map { String(decoding: $0, as: UTF8.self).contains("hello from client") } == true)
  }

  @Test func aSectionThatClaimsMoreThanThereIsEndsTheList() {
    var bytes = datagram(pin: 7) { writer in
      _ = writer.append(.ping, 1)
      writer.appendMove([1, 2, 3], at: 0)
    }
    #expect(sections(bytes).count == 2)
    bytes.removeLast()
    #expect(sections(bytes) == [.ping(1)])
  }

  @Test func paddingIsNoSection() {
    let bytes = datagram(pin: 7) { writer in
      _ = writer.append(.ping, 1)
      writer.pad(to: 1200)
    }
    #expect(bytes.count == 1200)
    #expect(sections(bytes) == [.ping(1)])
  }

  @Test func foreignDatagramsHaveNoHeader() {
    for bytes: [UInt8] in [[], [0], Array(repeating: 9, count: 15), Array(repeating: 0, count: 64)] {
      #expect(bytes.withUnsafeBytes { DatagramHeader($0) } == nil)
    }
    #expect(datagram(pin: 0) { _ in }.withUnsafeBytes { DatagramHeader($0) } == nil)
  }

  @Test func anyBytesCanBeRead() async {
    for seed in TestSeeds.schedules(2000) {
      await Task.yield()
      var random = SeededGenerator(seed: seed)
      var bytes = (0..<Int(random.next() % 200)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      if random.chance(0.5) { for index in bytes.indices where random.chance(0.7) { bytes[index] %= 12 } }
      for case .move(_, let data) in sections(bytes) { #expect(data.upperBound <= bytes.count) }
    }
  }

  @Test func maskingIsUndoneByTheSameSecretOnly() async throws {
    for seed in TestSeeds.schedules(300) {
      await Task.yield()
      var random = SeededGenerator(seed: seed)
      let obscuring = try #require(Obscuring(secret: random.next() | 1))
      let original =
        [UInt8](repeating: 0, count: 8)
        + (0..<Int(random.next() % 64)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      var masked = original
      masked.withUnsafeMutableBytes { obscuring.mask($0, salt: random.next() | 1) }
      var plain = masked
      masked.withUnsafeBytes { source in plain.withUnsafeMutableBytes { obscuring.unmask(source, into: $0) } }
      #expect(plain == original, "PLEXUS_SEED=\(seed)")
      let other = try #require(Obscuring(secret: obscuring.secret ^ 0x10))
      masked.withUnsafeBytes { source in plain.withUnsafeMutableBytes { other.unmask(source, into: $0) } }
      #expect(plain != original || original.count < 16, "PLEXUS_SEED=\(seed)")
    }
  }

  private static func write(_ section: Section, of plain: [UInt8], to writer: inout DatagramWriter) {
    let fitted =
      switch section {
      case .link: writer.append(.link)
      case .linkEcho: writer.append(.linkEcho)
      case .tear: writer.append(.tear)
      case .tearEcho: writer.append(.tearEcho)
      case .ping(let number): writer.append(.ping, number)
      case .pingEcho(let number): writer.append(.pingEcho, number)
      case .moveEcho(let number): writer.append(.moveEcho, number)
      case .edge(let number): writer.append(.edge, number)
      case .edgeEcho(let number): writer.append(.edgeEcho, number)
      case .move(let offset, let data):
        writer.appendMove(offset: offset, length: data.count) { $0.copyBytes(from: plain[data]) }
      case .other: false
      }
    #expect(fitted)
  }
}
