/// Writes one datagram into room that somebody else owns; what does not fit is refused, never cut.
struct DatagramWriter {
  private let room: UnsafeMutableRawBufferPointer
  /// Bytes written.
  private(set) var count: Int

  /// Writes the header. `room` has at least its length.
  init(_ room: UnsafeMutableRawBufferPointer, pin: UInt32) {
    self.room = room
    room.storeBigEndian(0 as UInt64, at: 0)
    room.storeBigEndian(DatagramHeader.signature, at: 8)
    room.storeBigEndian(DatagramHeader.version, at: 10)
    room.storeBigEndian(pin, at: 12)
    count = DatagramHeader.length
  }

  /// Bytes that are left.
  var space: Int { room.count - count }
  /// Whether there is no section yet: such a datagram is not sent.
  var isEmpty: Bool { count == DatagramHeader.length }

  /// Writes a section without a value; false where there is no room.
  mutating func append(_ kind: Section.Kind) -> Bool {
    guard space >= Section.headerLength else { return false }
    open(kind, length: 0)
    return true
  }

  /// Writes a section whose value is a number; false where there is no room.
  mutating func append(_ kind: Section.Kind, _ number: UInt64) -> Bool {
    guard space >= Section.numberLength else { return false }
    open(kind, length: 8)
    room.storeBigEndian(number, at: count)
    count += 8
    return true
  }

  /// Writes a move, whose data `copy` puts into the place it is given; false where there is no room.
  mutating func appendMove(offset: UInt64, length: Int, copy: (UnsafeMutableRawBufferPointer) -> Void) -> Bool {
    guard length <= 65_527, space >= Section.moveOverhead + length else { return false }
    open(.move, length: 8 + length)
    room.storeBigEndian(offset, at: count)
    copy(UnsafeMutableRawBufferPointer(rebasing: room[count + 8..<count + 8 + length]))
    count += 8 + length
    return true
  }

  /// Fills up to `size` bytes with zeros: a section of type 0 ends the list for every reader.
  mutating func pad(to size: Int) {
    guard size > count, size <= room.count else { return }
    UnsafeMutableRawBufferPointer(rebasing: room[count..<size]).initializeMemory(as: UInt8.self, repeating: 0)
    count = size
  }

  private mutating func open(_ kind: Section.Kind, length: Int) {
    room.storeBigEndian(kind.rawValue, at: count)
    room.storeBigEndian(UInt16(length), at: count + 2)
    count += Section.headerLength
  }
}
