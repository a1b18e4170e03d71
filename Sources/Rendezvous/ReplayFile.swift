import Glibc

/// The file behind a ``ReplayMemory``: eight bytes that say what it is, then records of 24 bytes, appended under flock(2).
struct ReplayFile: ~Copyable {
  private static let magic = Array("PLXSEEN1".utf8)

  private let path: String
  /// The inode and the number of its bytes that are in the book already.
  private var read: (inode: UInt64, length: Int)?

  init(folder: String, name: String) throws {
    path = "\(folder)/\(name)"
    // Every folder on the way, as mkdir -p does.
    var prefix = ""
    for part in folder.split(separator: "/", omittingEmptySubsequences: false) {
      prefix += prefix.isEmpty && !folder.hasPrefix("/") ? "\(part)" : part.isEmpty ? "" : "/\(part)"
      if prefix.isEmpty || mkdir(prefix, 0o700) == 0 || errno == EEXIST || errno == EISDIR { continue }
      throw Self.failure(prefix, "cannot be made")
    }
  }

  /// Reads what others have appended, then appends `record`.
  ///
  /// - Returns: false when the record was there.
  @discardableResult
  mutating func exchange(with book: inout ReplayBook, adding record: ReplayRecord?) throws -> Bool {
    let descriptor = try openLocked()
    defer { close(descriptor) }
    try readNews(from: descriptor, into: &book)
    guard let record else { return true }
    guard !book.contains(record) else { return false }
    book.insert(record)
    if book.hasForgotten {
      try rewrite(book)
      book.noteWritten()
    } else {
      try append(record.bytes, to: descriptor)
    }
    return true
  }

  /// Opens the file and locks it, again if another process has put a new one in its place meanwhile.
  private func openLocked() throws -> CInt {
    // Each turn means that somebody rewrote the file just then, which happens once in thousands of records.
    for _ in 0..<16 {
      let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
      guard descriptor >= 0 else { throw Self.failure(path, "cannot be opened") }
      var locked: CInt
      repeat { locked = flock(descriptor, LOCK_EX) } while locked != 0 && errno == EINTR
      var ofFile = stat()
      var ofPath = stat()
      if locked == 0, fstat(descriptor, &ofFile) == 0 {
        guard ofFile.st_mode & S_IFMT == S_IFREG else {
          close(descriptor)
          throw RendezvousError(.stateUnusable, "\(path) is no regular file; remove it, or choose another state folder")
        }
        if stat(path, &ofPath) == 0, ofFile.st_ino == ofPath.st_ino, ofFile.st_dev == ofPath.st_dev {
          return descriptor
        }
      }
      close(descriptor)
    }
    throw Self.failure(path, "cannot be locked")
  }

  /// Brings the book up to the file: only its new end when it is the file that we know.
  private mutating func readNews(from descriptor: CInt, into book: inout ReplayBook) throws {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw Self.failure(path, "cannot be read") }
    let length = Int(status.st_size)
    if let read, read.inode == UInt64(status.st_ino), read.length <= length {
      for record in Self.records(in: try bytes(of: descriptor, from: read.length, to: length)) { book.insert(record) }
    } else {
      let all = try bytes(of: descriptor, from: 0, to: length)
      if all.starts(with: Self.magic) {
        // What this process knows already stays: somebody may have removed the file.
        let known = book.records
        book.replace(with: Self.records(in: all.dropFirst(Self.magic.count)) + known)
      } else {
        // New, or not ours any more: start it over.
        guard ftruncate(descriptor, 0) == 0 else { throw Self.failure(path, "cannot be written") }
        read = (UInt64(status.st_ino), 0)
        try append(Self.magic + book.records.flatMap(\.bytes), to: descriptor)
        return
      }
    }
    // A record that was cut short is overwritten by the next.
    let whole = length - (length - Self.magic.count) % ReplayRecord.length
    if whole != length {
      guard ftruncate(descriptor, whole) == 0 else { throw Self.failure(path, "cannot be written") }
    }
    read = (UInt64(status.st_ino), whole)
  }

  private mutating func append(_ bytes: [UInt8], to descriptor: CInt) throws {
    let start = read?.length ?? 0
    try Self.write(bytes, to: descriptor, at: start, path: path)
    read?.length = start + bytes.count
  }

  /// Puts a new file in the place of the old one in one step.
  private mutating func rewrite(_ book: ReplayBook) throws {
    let fresh = "\(path).\(getpid())"
    unlink(fresh)
    let descriptor = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw Self.failure(fresh, "cannot be made") }
    defer { close(descriptor) }
    try Self.write(Self.magic + book.records.flatMap(\.bytes), to: descriptor, at: 0, path: fresh)
    guard rename(fresh, path) == 0 else { throw Self.failure(path, "cannot be replaced") }
    read = nil
  }

  private func bytes(of descriptor: CInt, from start: Int, to end: Int) throws -> ArraySlice<UInt8> {
    // Far more than the bounds allow to be written: somebody else made this file, so only its newest part counts.
    let limit = Self.magic.count + 2 * ReplayMemory.puzzlesInAll * ReplayRecord.length
    let count = min(max(0, end - start), limit)
    var buffer = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      let got = buffer.withUnsafeMutableBytes {
        pread(descriptor, $0.baseAddress?.advanced(by: done), count - done, off_t(start + done))
      }
      if got < 0 && errno == EINTR { continue }
      guard got >= 0 else { throw Self.failure(path, "cannot be read") }
      if got == 0 { break }
      done += got
    }
    return buffer[0..<done]
  }

  private static func write(_ bytes: [UInt8], to descriptor: CInt, at start: Int, path: String) throws {
    var done = 0
    while done < bytes.count {
      let put = bytes.withUnsafeBytes {
        pwrite(descriptor, $0.baseAddress?.advanced(by: done), bytes.count - done, off_t(start + done))
      }
      if put < 0 && errno == EINTR { continue }
      guard put > 0 else { throw failure(path, "cannot be written") }
      done += put
    }
  }

  private static func records(in bytes: ArraySlice<UInt8>) -> [ReplayRecord] {
    stride(from: bytes.startIndex, to: bytes.endIndex, by: ReplayRecord.length).compactMap { start in
      ReplayRecord(bytes: bytes[start..<min(start + ReplayRecord.length, bytes.endIndex)])
    }
  }

  private static func failure(_ path: String, _ what: String) -> RendezvousError {
    let reason = String(cString: strerror(errno))
    return RendezvousError(.stateUnusable, "\(path) \(what): \(reason); mend that, or choose another state folder")
  }
}
