import LibC
import Rendezvous

/// A small text file of a cache folder, which nobody but its user can have written, replaced as a whole.
struct NodeCacheFile: Sendable {
  /// Why the file cannot be used, with its path.
  struct Failure: Error {
    var reason: String
  }

  let path: String
  private let folder: String

  init(folder: String, name: String) {
    self.folder = folder
    path = "\(folder)/\(name)"
  }

  /// The text; nil when there is no file.
  func read() throws(Failure) -> String? {
    // Without O_NONBLOCK a FIFO would hold us until somebody writes to it.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
    guard descriptor >= 0 else {
      if errno == ENOENT || errno == ENOTDIR { return nil }
      throw failure("cannot be opened")
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure("cannot be examined") }
    guard status.st_mode & S_IFMT == S_IFREG else { throw Failure(reason: "\(path) is no regular file") }
    guard status.st_uid == geteuid(), status.st_mode & (S_IWGRP | S_IWOTH) == 0 else {
      throw Failure(reason: "others than this user can have written \(path)")
    }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = LibC.read(descriptor, &buffer, buffer.count)
      if count == 0 { return String(decoding: bytes, as: UTF8.self) }
      guard count > 0 else {
        if errno == EINTR { continue }
        throw failure("cannot be read")
      }
      bytes += buffer.prefix(count)
      guard bytes.count <= KnownNodes.bytesAtMost else { throw Failure(reason: "\(path) is larger than we write it") }
    }
  }

  /// Puts a new file (mode 0600) in the place of the old in one step, in a folder that is made (mode 0700) if it is missing.
  ///
  /// Not waited for until it is on the disk: a file that a power failure leaves empty is a damaged cache, which is no loss.
  func write(_ text: String) throws(Failure) {
    do { try LockedFile.makeFolder(folder) } catch { throw Failure(reason: "\(error)") }
    // A name of its own, for several processes, and several tasks of one, may write at once.
    let fresh = "\(path).\(UInt64.random(in: 0...UInt64.max))"
    let descriptor = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw failure("cannot be made") }
    defer { close(descriptor) }
    do throws(Failure) {
      var rest = Array(text.utf8)[...]
      while !rest.isEmpty {
        let count = rest.withUnsafeBytes { LibC.write(descriptor, $0.baseAddress, $0.count) }
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else { throw failure("cannot be written") }
        rest = rest.dropFirst(count)
      }
      guard rename(fresh, path) == 0 else { throw failure("cannot be replaced") }
    } catch {
      unlink(fresh)
      throw error
    }
  }

  /// What the system call that just failed says.
  private func failure(_ what: String) -> Failure {
    Failure(reason: "\(path) \(what): \(String(cString: strerror(errno)))")
  }
}
