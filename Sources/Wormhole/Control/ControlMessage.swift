import NIOCore

/// What two Swift ends tell each other on the reserved id.
///
/// The payload of that id, over all its frames, is a sequence of messages; the first is a hello.
///
///      0       2       4
///     +-------+-------+-------------- - -
///     | type  | length| length bytes
///     +-------+-------+-------------- - -
enum ControlMessage: Hashable, Sendable {
  case hello(Hello)
  /// The importer has a client for a service. The id is one above the highest so far, old streams included.
  case open(UInt32, StreamRequest)
  /// The exporter has reached the service.
  case connected(UInt32)
  /// The stream is cut at once, both ways.
  case close(UInt32, CloseReason)
  /// Nothing more follows from this side.
  case finish(UInt32)
  /// The other side may send the bytes of the stream below this offset.
  case window(UInt32, limit: UInt64)
  /// There is more to send, the tunnel would take it, but the window ends at this offset.
  case blocked(UInt32, limit: UInt64)

  /// Bytes before the value.
  static let headSize = 4
  /// The longest value that is taken; ours are at most a third of it.
  static let valueLimit = 1024

  private enum Kind: UInt16 {
    case hello = 1
    case open, connected, close, finish, window, blocked
  }

  private var kind: Kind {
    switch self {
    case .hello: .hello
    case .open: .open
    case .connected: .connected
    case .close: .close
    case .finish: .finish
    case .window: .window
    case .blocked: .blocked
    }
  }

  /// Appends the message.
  func write(to buffer: inout ByteBuffer) {
    buffer.writeInteger(kind.rawValue)
    let lengthIndex = buffer.writerIndex
    buffer.writeInteger(0, as: UInt16.self)
    switch self {
    case .hello(let hello): hello.write(to: &buffer)
    case .open(let id, let request):
      buffer.writeInteger(id)
      buffer.writeInteger(request.kind.rawValue)
      buffer.writeString(request.service)
    case .connected(let id), .finish(let id): buffer.writeInteger(id)
    case .close(let id, let reason):
      buffer.writeInteger(id)
      buffer.writeInteger(reason.code.rawValue)
      buffer.writeString(reason.description)
    case .window(let id, let limit), .blocked(let id, let limit):
      buffer.writeInteger(id)
      buffer.writeInteger(limit)
    }
    let length = buffer.writerIndex - lengthIndex - 2
    buffer.setInteger(UInt16(clamping: length), at: lengthIndex)
  }

  /// What stands at the front of `buffer`.
  enum Read: Hashable {
    case message(ControlMessage)
    /// A type that a later version knows.
    case skipped
    /// The rest is still to come.
    case incomplete
    /// No message looks like this.
    case malformed
  }

  /// Takes the next message off `buffer`, if it is whole.
  static func read(from buffer: inout ByteBuffer) -> Read {
    guard let type = buffer.getInteger(at: buffer.readerIndex, as: UInt16.self),
      let length = buffer.getInteger(at: buffer.readerIndex + 2, as: UInt16.self)
    else { return .incomplete }
    guard length <= valueLimit else { return .malformed }
    guard buffer.readableBytes >= headSize + Int(length) else { return .incomplete }
    buffer.moveReaderIndex(forwardBy: headSize)
    guard var value = buffer.readSlice(length: Int(length)) else { return .malformed }
    guard let kind = Kind(rawValue: type) else { return .skipped }
    guard let message = ControlMessage(kind, value: &value) else { return .malformed }
    return .message(message)
  }

  private init?(_ kind: Kind, value: inout ByteBuffer) {
    if kind == .hello {
      guard let hello = Hello(reading: &value) else { return nil }
      self = .hello(hello)
      return
    }
    guard let id: UInt32 = value.readInteger(), id != FrameHeader.control else { return nil }
    switch kind {
    case .hello: return nil
    case .open:
      guard let kind = value.readInteger(as: UInt8.self).flatMap(StreamRequest.Kind.init(rawValue:)),
        value.readableBytes <= StreamRequest.nameLimit, let name = value.readUTF8()
      else { return nil }
      self = .open(id, StreamRequest(service: name, kind: kind))
    case .connected: self = .connected(id)
    case .finish: self = .finish(id)
    case .close:
      guard let code: UInt16 = value.readInteger() else { return nil }
      self = .close(id, CloseReason(.init(rawValue: code) ?? .other, value.readUTF8() ?? "no readable reason"))
    case .window, .blocked:
      guard let limit: UInt64 = value.readInteger() else { return nil }
      self = kind == .window ? .window(id, limit: limit) : .blocked(id, limit: limit)
    }
  }
}

extension ByteBuffer {
  fileprivate mutating func readUTF8() -> String? {
    let bytes = readBytes(length: readableBytes) ?? []
    return String(validating: bytes, as: UTF8.self)
  }
}
