import Dispatch
import ExampleSupport
import Glibc
import Plexus

/// The lines on standard input. Reading it blocks, and so has a thread of its own.
func typedLines() -> AsyncStream<String> {
  AsyncStream(bufferingPolicy: .bufferingOldest(64)) { feed in
    DispatchQueue(label: "typed lines").async {
      var splitter = LineSplitter()
      var bytes = [UInt8](repeating: 0, count: 4096)
      while case let count = read(STDIN_FILENO, &bytes, bytes.count), count > 0 {
        for line in splitter.take(ByteBuffer(bytes: bytes[..<count])) {
          // Whoever pipes a book in waits until it is taken.
          while case .dropped = feed.yield(line) { usleep(10_000) }
        }
      }
      feed.finish()
    }
  }
}

/// Cuts bytes into lines of printable text, and lines that never end into pieces.
struct LineSplitter {
  private static let longestLine = 4096
  private var rest: [UInt8] = []

  /// The lines that are whole now.
  mutating func take(_ bytes: ByteBuffer) -> [String] {
    var lines: [String] = []
    for byte in bytes.readableBytesView {
      if byte != UInt8(ascii: "\n") { rest.append(byte) }
      guard byte == UInt8(ascii: "\n") || rest.count == Self.longestLine else { continue }
      lines.append(printable(String(decoding: rest, as: UTF8.self)))
      rest.removeAll(keepingCapacity: true)
    }
    return lines
  }
}
