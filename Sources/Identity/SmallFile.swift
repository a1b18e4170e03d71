import LibC

/// Reading files that are small by nature, without trusting that they are.
enum SmallFile {
  /// The most that a file of an identity may hold, in bytes: a chain of a dozen certificates has less.
  static let maximumSize = 64 * 1024

  /// Why a file was not read.
  enum Failure: Error {
    case missing
    case notRegular
    case tooLarge
    case system(Int32)
  }

  /// The whole of the regular file at `path`, and its stamp at that moment. Symbolic links are followed.
  static func read(_ path: String) throws(Failure) -> (bytes: [UInt8], stamp: FileStamp) {
    // Without O_NONBLOCK a FIFO in the repository would hold us until somebody writes to it.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw Failure(errno) }
    defer { close(descriptor) }
    let stamp = try FileStamp(descriptor: descriptor)
    guard stamp.isRegular else { throw .notRegular }
    return (try read(descriptor: descriptor), stamp)
  }

  /// All that `descriptor` has to give.
  static func read(descriptor: Int32) throws(Failure) -> [UInt8] {
    var bytes = [UInt8]()
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = LibC.read(descriptor, &buffer, buffer.count)
      if count == 0 { return bytes }
      guard count > 0 else {
        if errno == EINTR { continue }
        throw Failure(errno)
      }
      bytes += buffer.prefix(count)
      // Counted while reading: the size of a growing file, a pipe or a file in /proc says nothing.
      guard bytes.count <= maximumSize else { throw .tooLarge }
    }
  }
}

extension SmallFile.Failure {
  init(_ code: Int32) {
    self = code == ENOENT || code == ENOTDIR ? .missing : .system(code)
  }

  /// The sentence for the file at `path`, which should have held a certificate or a private key.
  func error(path: String, content: String = "certificate") -> IdentityError {
    switch self {
    case .missing: IdentityError(.fileUnusable, "there is no file \(path); check its path")
    case .notRegular:
      IdentityError(.fileUnusable, "\(path) is no regular file; a \(content) has to be in one")
    case .tooLarge:
      IdentityError(
        .fileTooLarge,
        "\(path) holds more than \(SmallFile.maximumSize / 1024) KiB, which no \(content) does; use another file")
    case .system(let code):
      IdentityError(.fileUnusable, "cannot read \(path): \(systemMessage(code)); mend that, or use another file")
    }
  }
}

/// What tells one state of a file from another without reading it.
struct FileStamp: Hashable, Sendable {
  private let device: UInt64
  private let inode: UInt64
  private let size: Int64
  private let modified: Int64
  /// When the inode last changed, in nanoseconds since 1970. Unlike the time of modification nobody can set it back.
  let changed: Int64
  /// Type and permission bits.
  let mode: UInt32

  /// The stamp of the file at `path`.
  init(path: String) throws(SmallFile.Failure) {
    var status = stat()
    guard stat(path, &status) == 0 else { throw SmallFile.Failure(errno) }
    self.init(status)
  }

  /// The stamp of an open file.
  init(descriptor: Int32) throws(SmallFile.Failure) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw SmallFile.Failure(errno) }
    self.init(status)
  }

  private init(_ status: stat) {
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
    size = Int64(status.st_size)
    modified = nanoseconds(modificationTime(of: status))
    changed = nanoseconds(changeTime(of: status))
    mode = status.st_mode
  }

  var isRegular: Bool { mode & S_IFMT == S_IFREG }
  var isDirectory: Bool { mode & S_IFMT == S_IFDIR }
}

private func nanoseconds(_ time: timespec) -> Int64 {
  // Wraps after the year 2262, which does no harm to a comparison for equality.
  Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
}

/// What the system calls the error `code`.
func systemMessage(_ code: Int32) -> String { String(cString: strerror(code)) }
