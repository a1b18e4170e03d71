import NIOCore

/// Cuts the bytes of a tunnel, however they arrive, into notices and pieces of payload.
///
/// Payload is never gathered: a frame may say that it is 4 GiB long, and only slices of what is there are handed on.
struct FrameDecoder {
  /// What stands next in the tunnel.
  enum Part: Equatable {
    /// A frame without payload.
    case notice(UInt32)
    /// Some payload of a stream, a slice of what was read; never empty.
    case payload(UInt32, ByteBuffer)
  }

  /// The bytes of a header that was cut, in the low bits.
  private var partialHeader: UInt64 = 0
  private var partialCount = 0
  /// The frame whose payload is being read; its length counts down.
  private var frame = FrameHeader(stream: 0, length: 0)

  /// Whether the tunnel stands between two frames.
  var isBetweenFrames: Bool { partialCount == 0 && frame.length == 0 }

  /// The next part, or nil when all of `bytes` is used up.
  mutating func next(in bytes: inout ByteBuffer) -> Part? {
    if frame.length == 0 {
      guard let header = readHeader(from: &bytes) else { return nil }
      guard header.length > 0 else { return .notice(header.stream) }
      frame = header
    }
    let count = min(Int(frame.length), bytes.readableBytes)
    guard count > 0, let slice = bytes.readSlice(length: count) else { return nil }
    // Not more than the length that is left.
    frame.length -= UInt32(count)
    return .payload(frame.stream, slice)
  }

  private mutating func readHeader(from bytes: inout ByteBuffer) -> FrameHeader? {
    if partialCount == 0, let bits: UInt64 = bytes.readInteger() { return FrameHeader(bits: bits) }
    while partialCount < FrameHeader.size, let byte: UInt8 = bytes.readInteger() {
      partialHeader = partialHeader << 8 | UInt64(byte)
      partialCount += 1
    }
    guard partialCount == FrameHeader.size else { return nil }
    defer { (partialHeader, partialCount) = (0, 0) }
    return FrameHeader(bits: partialHeader)
  }
}
