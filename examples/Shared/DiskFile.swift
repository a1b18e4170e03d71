import Glibc
import NIOCore
import NIOPosix

/// A regular file. The disk may be slow: reading and writing wait on threads of NIO's pool, and block no task.
public final class DiskFile: Sendable {
  /// Its size when it was opened, bytes.
  public let size: UInt64
  private let descriptor: CInt
  private let path: String

  /// Opens a file to read it.
  public static func reading(_ path: String) async throws -> DiskFile {
    // A FIFO would block until somebody writes to it.
    try await NIOThreadPool.singleton.runIfActive { try DiskFile(path, O_RDONLY | O_NONBLOCK) }
  }

  /// Makes a file, for its owner alone. What is there already is not touched.
  public static func creating(_ path: String) async throws -> DiskFile {
    try await NIOThreadPool.singleton.runIfActive { try DiskFile(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW) }
  }

  private init(_ path: String, _ flags: CInt) throws {
    descriptor = open(path, flags | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw DiskFailure(path) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw DiskFailure(path, EINVAL)
    }
    (size, self.path) = (UInt64(status.st_size), path)
  }

  deinit { close(descriptor) }

  /// The next bytes, at most `count`; none at the end.
  public func read(upTo count: Int) async throws -> ByteBuffer {
    try await NIOThreadPool.singleton.runIfActive { [self] in
      var bytes = ByteBuffer()
      var isRead = true
      bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { space in
        let got = Glibc.read(descriptor, space.baseAddress, count)
        isRead = got >= 0
        return max(0, got)
      }
      guard isRead else { throw DiskFailure(path) }
      return bytes
    }
  }

  /// Appends bytes.
  public func write(_ bytes: ByteBuffer) async throws {
    try await NIOThreadPool.singleton.runIfActive { [self] in
      var bytes = bytes
      while bytes.readableBytes > 0 {
        let count = bytes.withUnsafeReadableBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        guard count > 0 else { throw DiskFailure(path) }
        bytes.moveReaderIndex(forwardBy: count)
      }
    }
  }
}

/// What the system said of a file, in one sentence.
public struct DiskFailure: Error, CustomStringConvertible {
  /// The file, and what is wrong with it.
  public let description: String
  init(_ path: String, _ code: CInt = errno) {
    description =
      code == EINVAL ? "\(path) is no regular file; name another" : "\(path): \(String(cString: strerror(code)))"
  }
}
