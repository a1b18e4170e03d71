import Foundation
import Testing

@testable import Tubus

/// A captured session of the reference implementation.
struct Capture: Decodable {
  struct Packet: Decodable {
    let ms: Double
    let from: String
    let hex: String

    var bytes: [UInt8] {
      let digits = Array(hex.utf8)
      return stride(from: 0, to: digits.count - 1, by: 2).map { index in
        UInt8(String(decoding: digits[index...index + 1], as: UTF8.self), radix: 16) ?? 0
      }
    }
  }

  let obscure: String
  let packets: [Packet]

  var secret: UInt64 { UInt64(obscure) ?? 0 }

  static func load(_ name: String) throws -> Capture {
    let url = try #require(Bundle.module.url(forResource: name, withExtension: "json", subdirectory: "Fixtures"))
    return try JSONDecoder().decode(Capture.self, from: Data(contentsOf: url))
  }

  /// The packets in the clear.
  var plainPackets: [(packet: Packet, bytes: [UInt8])] {
    packets.map { packet in
      guard let obscuring = Obscuring(secret: secret) else { return (packet, packet.bytes) }
      var plain = packet.bytes
      packet.bytes.withUnsafeBytes { source in plain.withUnsafeMutableBytes { obscuring.unmask(source, into: $0) } }
      return (packet, plain)
    }
  }
}

/// The sections of a datagram in the clear.
func sections(_ datagram: [UInt8]) -> [Section] {
  datagram.withUnsafeBytes { bytes in
    var reader = SectionReader(bytes)
    var sections: [Section] = []
    while let section = reader.next() { sections.append(section) }
    return sections
  }
}

/// Builds a datagram in the clear.
func datagram(pin: UInt32, size: Int = 1406, _ body: (inout DatagramWriter) -> Void) -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: size)
  let count = bytes.withUnsafeMutableBytes { room in
    var writer = DatagramWriter(room, pin: pin)
    body(&writer)
    return writer.count
  }
  return Array(bytes[..<count])
}

extension DatagramWriter {
  mutating func appendMove(_ data: [UInt8], at offset: UInt64) {
    _ = appendMove(offset: offset, length: data.count) { $0.copyBytes(from: data) }
  }
}
