import LibC

/// Writing files and folders so that a crash leaves the old state or the new one, never half of either.
enum PrivateFolder {
  /// Makes the folder at `path` with mode 0700.
  ///
  /// - Returns: Whether it was not there before.
  static func make(_ path: String) throws -> Bool {
    if mkdir(path, 0o700) == 0 { return true }
    guard errno == EEXIST else { throw failure(writing: path) }
    return false
  }

  /// Makes a new folder with mode 0700 in `parent` under a name nobody has.
  static func makeTemporary(in parent: String) throws -> String {
    var template = Array("\(parent)/\(ApplicationRepository.temporaryPrefix)XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw failure(writing: parent) }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Writes a file that must not exist yet, and waits until it is on the disk.
  ///
  /// It has its mode from the start: a secret is not readable even for a moment.
  static func writeNew(_ bytes: [UInt8], to path: String, mode: mode_t) throws {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
    guard descriptor >= 0 else { throw failure(writing: path) }
    defer { close(descriptor) }
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
      if count >= 0 {
        rest = rest.dropFirst(count)
      } else if errno != EINTR {
        throw failure(writing: path)
      }
    }
    guard fsync(descriptor) == 0 else { throw failure(writing: path) }
  }

  /// Waits until the names in the folder at `path` are on the disk.
  static func synchronize(_ path: String) {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    // Some file systems cannot; the names are right all the same, they only reach the disk later.
    _ = fsync(descriptor)
    close(descriptor)
  }

  /// The sentence for the system call that just failed.
  static func failure(writing path: String) -> IdentityError {
    let code = errno
    let advice = code == EEXIST ? "choose another name, or remove it" : "mend that, or choose another place"
    return IdentityError(.fileNotWritable, "cannot write \(path): \(systemMessage(code)); \(advice)")
  }
}
