import DequeModule
import NIOCore

/// Puts the stream together again. What lies beyond a gap waits in islands; what is whole can be read.
///
/// A peer may cut, repeat and overlap as it likes: of each byte the first copy that came counts. Its memory is what the caller
/// admits by offset, twice at most (buffers grow by doubling), and a bounded number of islands.
struct ReceiveBuffer {
  enum Insertion {
    /// Some of it was new.
    case stored
    /// All of it was there.
    case duplicate
    /// There is no room for another island; as if it had been lost.
    case refused
  }

  private struct Island {
    var start: UInt64
    var bytes: ByteBuffer
    var end: UInt64 { start + UInt64(bytes.readableBytes) }
  }

  /// An honest peer has no more gaps than datagrams in flight: 16,384 are a flight of 22 MB that lost every second one.
  static let maximumIslands = 16_384
  /// Islands that touch are kept apart past this size, since growing one copies it.
  private static let islandSize = 65_536
  /// What is handed out at once, so that a reader gets few large buffers. The allocator maps memory anew for each one above 128 KiB.
  private static let chunkSize = 65_536
  /// Smaller islands are gathered when they are whole: a byte in a buffer of its own takes the memory of a hundred.
  private static let crumb = 2048

  private var islands = Deque<Island>()
  private var ready = Deque<ByteBuffer>()
  /// The size of the last burst, for which the next buffer is made.
  private var expected = 2048

  /// The offset behind the last byte that is whole.
  private(set) var frontier: UInt64 = 0
  /// Bytes that can be read.
  private(set) var readableBytes = 0
  /// Bytes that wait beyond gaps.
  private(set) var waitingBytes = 0
  /// Pieces that wait beyond gaps.
  var islandCount: Int { islands.count }
  /// Whether something lies beyond a gap.
  var hasGap: Bool { !islands.isEmpty }

  /// Takes stream bytes that begin at `offset`, whose end the caller has found to be below the edge.
  mutating func insert(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) -> Insertion {
    let end = offset + UInt64(bytes.count)
    guard end > frontier else { return .duplicate }
    if offset > frontier { return insertBeyondGap(bytes, at: offset) }
    while frontier < end {
      // Where it reaches into an island, those bytes came first.
      let stop = islands.first.map { min(end, $0.start) } ?? end
      deliver(UnsafeRawBufferPointer(rebasing: bytes[Int(frontier - offset)..<Int(stop - offset)]))
      deliverTouchingIslands()
    }
    return .stored
  }

  /// The next piece of the stream; nil where nothing can be read.
  mutating func read() -> ByteBuffer? {
    guard let buffer = ready.popFirst() else { return nil }
    readableBytes -= buffer.readableBytes
    expected = min(max(buffer.readableBytes, 2048), Self.chunkSize)
    return buffer
  }

  private mutating func deliver(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count > 0 else { return }
    if let last = ready.indices.last, ready[last].readableBytes + bytes.count <= Self.chunkSize {
      ready[last].writeBytes(bytes)
    } else {
      var buffer = ByteBufferAllocator().buffer(capacity: max(bytes.count, expected))
      buffer.writeBytes(bytes)
      ready.append(buffer)
    }
    frontier += UInt64(bytes.count)
    readableBytes += bytes.count
  }

  private mutating func deliverTouchingIslands() {
    while let island = islands.first, island.start == frontier {
      islands.removeFirst()
      waitingBytes -= island.bytes.readableBytes
      guard island.bytes.readableBytes >= Self.crumb else {
        island.bytes.withUnsafeReadableBytes { deliver($0) }
        continue
      }
      readableBytes += island.bytes.readableBytes
      frontier = island.end
      ready.append(island.bytes)
    }
  }

  private mutating func insertBeyondGap(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) -> Insertion {
    let end = offset + UInt64(bytes.count)
    guard bytes.count > 0 else { return .duplicate }
    var position = firstIsland(endingAfter: offset)
    var start = offset
    var result = Insertion.duplicate
    while start < end {
      if position < islands.count, islands[position].start <= start {
        start = islands[position].end
        position += 1
        continue
      }
      let stop = position < islands.count ? min(end, islands[position].start) : end
      let piece = UnsafeRawBufferPointer(rebasing: bytes[Int(start - offset)..<Int(stop - offset)])
      if position > 0, islands[position - 1].end == start,
        islands[position - 1].bytes.readableBytes + piece.count <= Self.islandSize
      {
        islands[position - 1].bytes.writeBytes(piece)
      } else {
        guard islands.count < Self.maximumIslands else { return .refused }
        var buffer = ByteBufferAllocator().buffer(capacity: piece.count)
        buffer.writeBytes(piece)
        islands.insert(Island(start: start, bytes: buffer), at: position)
        position += 1
      }
      waitingBytes += piece.count
      result = .stored
      start = stop
    }
    return result
  }

  private func firstIsland(endingAfter offset: UInt64) -> Int {
    if let last = islands.last, last.end <= offset { return islands.count }
    var (low, high) = (0, islands.count)
    while low < high {
      let middle = (low + high) / 2
      if islands[middle].end <= offset { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
