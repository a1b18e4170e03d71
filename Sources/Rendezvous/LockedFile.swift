import LibC

/// A file of the state folder, open and locked by flock(2) for as long as the value lives.
package struct LockedFile: ~Copyable {
  let path: String
  private let descriptor: CInt
  /// Tells this file from another that takes its place.
  let inode: UInt64
  /// How many bytes it has.
  package private(set) var length: Int

  /// Opens the file, made with mode 0600 if it is missing, and waits for its lock.
  ///
  /// - Throws: ``RendezvousError`` with code `stateUnusable`.
  package init(_ path: String) throws {
    // Each turn means that another process replaced the file just then, which happens once in thousands of writes.
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
          self.path = path
          self.descriptor = descriptor
          inode = UInt64(ofFile.st_ino)
          length = Int(ofFile.st_size)
          return
        }
      }
      close(descriptor)
    }
    throw RendezvousError(.stateUnusable, "\(path) cannot be locked; try again")
  }

  deinit { close(descriptor) }

  /// The bytes from `start` on, `count` at most.
  package func read(from start: Int, count: Int) throws -> ArraySlice<UInt8> {
    var buffer = [UInt8](repeating: 0, count: max(0, min(count, length - start)))
    var done = 0
    while done < buffer.count {
      let wanted = buffer.count - done
      let got = buffer.withUnsafeMutableBytes { buffer in
        pread(descriptor, buffer.baseAddress?.advanced(by: done), wanted, off_t(start + done))
      }
      if got < 0 && errno == EINTR { continue }
      guard got >= 0 else { throw Self.failure(path, "cannot be read") }
      if got == 0 { break }
      done += got
    }
    return buffer[0..<done]
  }

  mutating func write(_ bytes: [UInt8], at start: Int) throws {
    try Self.write(bytes, to: descriptor, at: start, path: path)
    length = max(length, start + bytes.count)
  }

  mutating func truncate(to length: Int) throws {
    guard ftruncate(descriptor, off_t(length)) == 0 else { throw Self.failure(path, "cannot be written") }
    self.length = length
  }

  /// Puts a new file in the place of this one in one step.
  package consuming func replace(with bytes: [UInt8]) throws {
    let fresh = "\(path).\(getpid())"
    unlink(fresh)
    let descriptor = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw Self.failure(fresh, "cannot be made") }
    defer { close(descriptor) }
    try Self.write(bytes, to: descriptor, at: 0, path: fresh)
    guard rename(fresh, path) == 0 else { throw Self.failure(path, "cannot be replaced") }
  }

  /// Makes a folder and those above it, with mode 0700.
  package static func makeFolder(_ folder: String) throws {
    var path = folder.hasPrefix("/") ? "/" : ""
    for part in folder.split(separator: "/") {
      path += path.isEmpty || path == "/" ? String(part) : "/\(part)"
      guard mkdir(path, 0o700) == 0 || errno == EEXIST || errno == EISDIR else { throw failure(path, "cannot be made") }
    }
  }

  private static func write(_ bytes: [UInt8], to descriptor: CInt, at start: Int, path: String) throws {
    var done = 0
    while done < bytes.count {
      let put = bytes.withUnsafeBytes { bytes in
        pwrite(descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done, off_t(start + done))
      }
      if put < 0 && errno == EINTR { continue }
      guard put > 0 else { throw failure(path, "cannot be written") }
      done += put
    }
  }

  private static func failure(_ path: String, _ what: String) -> RendezvousError {
    let reason = String(cString: strerror(errno))
    return RendezvousError(.stateUnusable, "\(path) \(what): \(reason); mend that, or choose another state folder")
  }
}
