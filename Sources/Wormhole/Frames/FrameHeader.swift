import NIOCore

/// The head of a frame: whose stream, and how many bytes of it follow. No bytes at all make a notice.
///
///      0               4               8
///     +---------------+---------------+-------------- - -
///     | stream id     | length        | length bytes
///     +---------------+---------------+-------------- - -
struct FrameHeader: Equatable, Sendable {
  /// The stream, or ``control``.
  var stream: UInt32
  /// How many bytes of payload follow.
  var length: UInt32

  /// Bytes of a header.
  static let size = 8
  /// The id that no stream gets: what two Swift ends tell each other goes here. Others drop payload of an id they do not know.
  static let control = UInt32.max

  init(stream: UInt32, length: UInt32) {
    self.stream = stream
    self.length = length
  }

  /// Takes a header apart that was read as one big-endian number.
  init(bits: UInt64) {
    stream = UInt32(truncatingIfNeeded: bits >> 32)
    length = UInt32(truncatingIfNeeded: bits)
  }

  /// The header as one number, to be written big-endian.
  var bits: UInt64 { UInt64(stream) << 32 | UInt64(length) }
}

extension ByteBuffer {
  mutating func write(_ header: FrameHeader) { writeInteger(header.bits) }
}
