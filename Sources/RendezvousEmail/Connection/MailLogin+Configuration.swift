import LibC

extension MailLogin {
  /// The login of a configuration; a password file is read now.
  ///
  /// - Throws: ``MailError`` with code `unusableFile`.
  init(_ configuration: EmailConfiguration) throws(MailError) {
    switch configuration.password {
    case .text(let password):
      self.init(name: configuration.login, password: password, method: configuration.authentication)
    case .file(let path):
      self.init(
        name: configuration.login, password: try Self.firstLine(of: path), method: configuration.authentication)
    }
  }

  /// Access tokens have a few KB.
  private static let maximumBytes = 16 * 1024

  private static func firstLine(of path: String) throws(MailError) -> String {
    // Without O_NONBLOCK a FIFO would hold us until somebody writes to it.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      let reason = String(cString: strerror(errno))
      throw MailError(
        .unusableFile,
        "the password file \(path) cannot be read: \(reason); mend that, or name another by --email-password-file")
    }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: maximumBytes + 1)
    var count = 0
    while count < buffer.count {
      let wanted = buffer.count - count
      let got = buffer.withUnsafeMutableBytes { read(descriptor, $0.baseAddress?.advanced(by: count), wanted) }
      if got < 0, errno == EINTR { continue }
      guard got > 0 else { break }
      count += got
    }
    let line = buffer[..<count].prefix { $0 != 0x0A && $0 != 0x0D }
    guard count <= maximumBytes, !line.isEmpty, let password = String(validating: line, as: UTF8.self) else {
      throw MailError(
        .unusableFile,
        "the password file \(path) holds no password in its first line; write it there, or name another file")
    }
    return password
  }
}
