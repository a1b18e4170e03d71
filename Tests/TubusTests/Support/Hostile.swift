import Datagrams
import NIOCore
import PlexusTesting

@testable import Tubus

/// Makes datagrams that are the peer's by pin and secret, and nothing like what it would send.
struct Forger {
  /// The pin and the secret of whom it plays.
  var pin: UInt32
  var secret: UInt64 = 0
  var salt: UInt64 = 0x1234_5678_9ABC_DEF1

  /// A datagram of such sections, as many as fit `size` bytes.
  func datagram(size: Int = 65_507, _ sections: (inout DatagramWriter) -> Void) -> [UInt8] {
    masked(TubusTests.datagram(pin: pin, size: size, sections))
  }

  /// As many of one section as fit.
  func flood(size: Int = 65_507, _ append: (inout DatagramWriter) -> Bool) -> [UInt8] {
    datagram(size: size) { writer in while append(&writer) {} }
  }

  /// The right bytes of the stream, or others, as a move.
  func move(_ range: Range<UInt64>, isWrong: Bool = false) -> [UInt8] {
    datagram { writer in writer.appendStream(range, isWrong: isWrong) }
  }

  /// What follows the header, unlike what any writer makes.
  func raw(_ sections: [UInt8]) -> [UInt8] { masked(TubusTests.datagram(pin: pin) { _ in } + sections) }

  private func masked(_ plain: [UInt8]) -> [UInt8] {
    guard let obscuring = Obscuring(secret: secret) else { return plain }
    var bytes = plain
    bytes.withUnsafeMutableBytes { obscuring.mask($0, salt: salt) }
    return bytes
  }
}

extension DatagramWriter {
  /// A move with the bytes that every stream of the simulation has there, or with others.
  @discardableResult
  mutating func appendStream(_ range: Range<UInt64>, isWrong: Bool = false) -> Bool {
    let right = SimulatedTubus.bytes(from: range.lowerBound, count: range.count)
    return appendMove(offset: range.lowerBound, length: range.count) { room in
      right.withUnsafeReadableBytes { room.copyMemory(from: $0) }
      if isWrong { for index in room.indices { room[index] ^= 0xFF } }
    }
  }
}

extension TubusConnection {
  /// What it holds on behalf of the peer, each with its bound.
  var isBounded: Bool {
    UInt64(bufferedBytes) <= receiveWindow.granted
      && receiveBuffer.islandCount <= ReceiveBuffer.maximumIslands
      && echoes.count <= EchoQueue.capacity && pingEchoes.count <= 16 && events.count <= 4
  }
}
