/// Room for datagrams that leave in one call: all of one size, but the last, which may be smaller. That is what the kernel's
/// segmentation offload takes.
public struct DatagramBatch: ~Copyable {
  /// The kernel takes 64 segments a call, and no more than an IP packet could hold.
  static let maximumSegments = 64
  static let maximumBytes = 65_000

  private let room: UnsafeMutableRawBufferPointer
  /// Bytes of all datagrams.
  public private(set) var length = 0
  /// Bytes of each datagram but the last.
  public private(set) var segmentSize = 0
  /// How many datagrams there are.
  public private(set) var count = 0
  /// Whether routers may cut these datagrams up: they hold moves that were cut for a larger path.
  public internal(set) var mayBeFragmented = false

  /// An empty batch.
  public init() { room = .allocate(byteCount: Self.maximumBytes, alignment: 16) }

  deinit { room.deallocate() }

  /// The datagrams, one after another.
  public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: room[0..<length]) }

  /// Calls `body` for each datagram.
  public func forEach(_ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
    var start = 0
    while start < length {
      let end = min(start + segmentSize, length)
      try body(UnsafeRawBufferPointer(rebasing: room[start..<end]))
      start = end
    }
  }

  mutating func reset() { (length, segmentSize, count, mayBeFragmented) = (0, 0, 0, false) }

  /// The room for one more datagram, of at most `size` bytes and no larger than the first; nil where the batch is full, or its last
  /// datagram was smaller.
  mutating func nextRoom(size: Int) -> UnsafeMutableRawBufferPointer? {
    guard count < Self.maximumSegments, length == count * segmentSize else { return nil }
    let size = count == 0 ? size : min(size, segmentSize)
    guard length + size <= Self.maximumBytes else { return nil }
    return UnsafeMutableRawBufferPointer(rebasing: room[length..<length + size])
  }

  /// Keeps a datagram of `size` bytes that was written to ``nextRoom(size:)``.
  mutating func commit(_ size: Int) {
    if count == 0 { segmentSize = size }
    length += size
    count += 1
  }
}
