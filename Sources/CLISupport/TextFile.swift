import LibC

/// Reads a whole text file, or what a pipe gives, up to `limit` bytes.
///
/// - Throws: ``CommandFailure`` (`noInput`) that names the file and what to do.
public func readTextFile(_ path: String, limit: Int) throws(CommandFailure) -> String {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else {
    throw CommandFailure(
      .noInput, "cannot read \(path): \(String(cString: strerror(errno))); check the path, and who may read it")
  }
  defer { _ = close(descriptor) }
  var content: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 16_384)
  while true {
    let count = chunk.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
    if count < 0, errno == EINTR { continue }
    guard count >= 0 else {
      throw CommandFailure(
        .noInput, "cannot read \(path): \(String(cString: strerror(errno))); give a file that can be read")
    }
    if count == 0 { break }
    content += chunk.prefix(count)
    guard content.count <= limit else {
      throw CommandFailure(.noInput, "\(path) is larger than \(limit) bytes; give a shorter file")
    }
  }
  guard let text = String(validating: content, as: UTF8.self) else {
    throw CommandFailure(.noInput, "\(path) is not a text file; give one in UTF-8")
  }
  return text
}
