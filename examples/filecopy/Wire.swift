import ExampleSupport
import FoundationEssentials
import Plexus

// What goes over the stream, for each file: an offer, the peer's verdict; then, if that is "ok", the bytes and their SHA-256, and the
// peer's verdict again. Offers and verdicts are texts, with their length before them (two bytes).

/// A file as it is offered.
struct Offer: Codable {
  var name: String
  var size: UInt64
}

/// A stream, read in the portions that one wants.
struct Portions {
  let stream: PassageStream
  private var unread = ByteBuffer()

  init(_ stream: PassageStream) { self.stream = stream }

  /// Some bytes, at least one, at most so many; nil at the stream's end.
  mutating func next(upTo count: Int) async throws -> ByteBuffer? {
    while unread.readableBytes == 0 {
      guard let bytes = try await stream.read() else { return nil }
      unread = bytes
    }
    return unread.readSlice(length: min(count, unread.readableBytes))
  }

  /// So many bytes.
  mutating func next(_ count: Int) async throws -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count {
      guard let more = try await next(upTo: count - bytes.count) else {
        throw CopyFailure("\(stream.peer) ended the stream in the middle; start again")
      }
      bytes += more.readableBytesView
    }
    return bytes
  }

  /// A text; nil at the stream's end.
  mutating func nextText() async throws -> String? {
    guard let first = try await next(upTo: 1) else { return nil }
    let length = try await Array(first.readableBytesView) + next(1)
    return try await String(decoding: next(Int(length[0]) << 8 | Int(length[1])), as: UTF8.self)
  }
}

extension PassageStream {
  /// Writes a text of up to 65 535 bytes.
  func write(text: String) async throws {
    var bytes = ByteBuffer()
    bytes.writeInteger(UInt16(clamping: text.utf8.count))
    bytes.writeBytes(text.utf8.prefix(Int(UInt16.max)))
    try await write(bytes)
  }
}
