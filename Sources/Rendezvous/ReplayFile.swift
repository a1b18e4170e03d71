/// The file behind a ``ReplayMemory``: eight bytes that say what it is, then records of 24 bytes, appended under a lock.
struct ReplayFile: ~Copyable {
  private static let magic = Array("PLXSEEN1".utf8)

  private let path: String
  /// The file that was read last, and how many of its bytes are in the book.
  private var read: (inode: UInt64, length: Int)?

  init(folder: String, name: String) throws {
    try LockedFile.makeFolder(folder)
    path = "\(folder)/\(name)"
  }

  /// Reads what others have appended, then appends `record`.
  ///
  /// - Returns: false when the record was there.
  @discardableResult
  mutating func exchange(with book: inout ReplayBook, adding record: ReplayRecord?) throws -> Bool {
    var file = try LockedFile(path)
    try readNews(from: &file, into: &book)
    guard let record else { return true }
    guard !book.contains(record) else { return false }
    book.insert(record)
    if book.hasForgotten {
      try file.replace(with: Self.magic + book.records.flatMap(\.bytes))
      book.noteWritten()
      read = nil
    } else {
      try file.write(record.bytes, at: file.length)
      read?.length = file.length
    }
    return true
  }

  /// Brings the book up to the file: only its new end when it is the file that we know.
  private mutating func readNews(from file: inout LockedFile, into book: inout ReplayBook) throws {
    if let read, read.inode == file.inode, read.length <= file.length {
      let news = try file.read(from: read.length, count: file.length - read.length)
      for record in Self.records(in: news) { book.insert(record) }
    } else {
      // Far more than the bounds ever let be written is not our doing, so it need not be read.
      let limit = Self.magic.count + 2 * ReplayMemory.puzzlesInAll * ReplayRecord.length
      let all = try file.read(from: 0, count: limit)
      if all.starts(with: Self.magic) {
        // What this process knows already stays known: somebody may have removed the file.
        book.replace(with: Self.records(in: all.dropFirst(Self.magic.count)) + book.records)
      } else {
        // New, or not ours any more: start it over.
        try file.truncate(to: 0)
        try file.write(Self.magic + book.records.flatMap(\.bytes), at: 0)
      }
    }
    // A record that was cut short is overwritten by the next.
    let excess = (file.length - Self.magic.count) % ReplayRecord.length
    if excess != 0 { try file.truncate(to: file.length - excess) }
    read = (file.inode, file.length)
  }

  private static func records(in bytes: ArraySlice<UInt8>) -> [ReplayRecord] {
    stride(from: bytes.startIndex, to: bytes.endIndex, by: ReplayRecord.length).compactMap { start in
      ReplayRecord(bytes: bytes[start..<min(start + ReplayRecord.length, bytes.endIndex)])
    }
  }
}
