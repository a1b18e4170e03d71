import DequeModule
import NIOCore

/// The bytes of the stream that were written and not yet acknowledged, whether sent or not, without copies of them.
struct SendBuffer {
  private struct Chunk {
    var start: UInt64
    var bytes: ByteBuffer
    var end: UInt64 { start + UInt64(bytes.readableBytes) }
  }

  private var chunks = Deque<Chunk>()
  /// Where the last read began, since reads go forward mostly.
  private var hint = 0
  /// The offset behind the last byte written.
  private(set) var end: UInt64 = 0

  /// Writes smaller than this are gathered, or a thousand of them would be a thousand buffers.
  private static let small = 2048
  private static let gathered = 16_384

  /// Takes the readable bytes of `bytes`.
  mutating func append(_ bytes: ByteBuffer) {
    let length = bytes.readableBytes
    guard length > 0 else { return }
    if length < Self.small, let last = chunks.indices.last, chunks[last].bytes.readableBytes + length <= Self.gathered {
      chunks[last].bytes.writeImmutableBuffer(bytes)
    } else {
      chunks.append(Chunk(start: end, bytes: bytes))
    }
    end += UInt64(length)
  }

  /// Copies the bytes from `offset` on into `room`. All of them are there: they were written and not released.
  mutating func copy(from offset: UInt64, into room: UnsafeMutableRawBufferPointer) {
    var index = chunk(of: offset)
    hint = index
    var offset = offset
    var copied = 0
    while copied < room.count, index < chunks.count {
      chunks[index].bytes.withUnsafeReadableBytes { bytes in
        let skip = Int(offset - chunks[index].start)
        let length = min(room.count - copied, bytes.count - skip)
        UnsafeMutableRawBufferPointer(rebasing: room[copied..<copied + length])
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[skip..<skip + length]))
        copied += length
        offset += UInt64(length)
      }
      index += 1
    }
    precondition(copied == room.count, "read bytes that are not kept")
  }

  /// Lets go of what lies before `offset`, chunk by chunk.
  mutating func release(upTo offset: UInt64) {
    while let first = chunks.first, first.end <= offset {
      chunks.removeFirst()
      hint = max(hint - 1, 0)
    }
  }

  /// Lets go of everything.
  mutating func clear() {
    chunks = []
    hint = 0
  }

  private func chunk(of offset: UInt64) -> Int {
    if hint < chunks.count, chunks[hint].start <= offset {
      if offset < chunks[hint].end { return hint }
      if hint + 1 < chunks.count, offset < chunks[hint + 1].end { return hint + 1 }
    }
    var (low, high) = (0, chunks.count)
    while low < high {
      let middle = (low + high) / 2
      if chunks[middle].end <= offset { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
