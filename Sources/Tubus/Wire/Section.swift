/// One piece of a tubus datagram.
public enum Section: Hashable, Sendable {
  /// Connect: please link to my pin.
  case link
  /// I have linked to you.
  case linkEcho
  /// Shut down.
  case tear
  /// Shut down, acknowledged.
  case tearEcho
  /// The sender's clock, which comes back in a ``pingEcho(_:)``.
  case ping(UInt64)
  /// The number of a ``ping(_:)``, sent back at once.
  case pingEcho(UInt64)
  /// Stream data that begins at `offset` of the stream; `data` is where it lies in the datagram.
  case move(offset: UInt64, data: Range<Int>)
  /// The move at that offset arrived whole.
  case moveEcho(UInt64)
  /// The sender of this may be sent stream bytes below this offset.
  case edge(UInt64)
  /// That limit has been seen.
  case edgeEcho(UInt64)
  /// Of a type that this version does not know, or of a length that its type does not have.
  case other(type: UInt16)

  /// Type and length of the value.
  static let headerLength = 4
  /// A section whose value is one number.
  static let numberLength = headerLength + 8
  /// A move without its data.
  static let moveOverhead = headerLength + 8

  enum Kind: UInt16 {
    case link = 2
    case linkEcho = 3
    case tear = 4
    case tearEcho = 5
    case ping = 6
    case pingEcho = 7
    case move = 8
    case moveEcho = 9
    case edge = 10
    case edgeEcho = 11
  }
}

/// Walks over the sections of a datagram in the clear. Ends at type 0, at fewer than four bytes, and at a section that
/// claims more than there is; never reads past the end.
public struct SectionReader {
  private let datagram: UnsafeRawBufferPointer
  private var position = DatagramHeader.length

  /// Begins behind the header of `datagram`, which has to outlive the reader.
  public init(_ datagram: UnsafeRawBufferPointer) { self.datagram = datagram }

  /// The next section, nil at the end.
  public mutating func next() -> Section? {
    guard datagram.count - position >= Section.headerLength else { return nil }
    let type = datagram.bigEndian(UInt16.self, at: position)
    let length = Int(datagram.bigEndian(UInt16.self, at: position + 2))
    let value = position + Section.headerLength
    guard type != 0, datagram.count - value >= length else { return nil }
    position = value + length
    guard let kind = Section.Kind(rawValue: type) else { return .other(type: type) }
    switch kind {
    case .link where length == 0: return .link
    case .linkEcho where length == 0: return .linkEcho
    case .tear where length == 0: return .tear
    case .tearEcho where length == 0: return .tearEcho
    case .ping where length == 8: return .ping(number(at: value))
    case .pingEcho where length == 8: return .pingEcho(number(at: value))
    case .moveEcho where length == 8: return .moveEcho(number(at: value))
    case .edge where length == 8: return .edge(number(at: value))
    case .edgeEcho where length == 8: return .edgeEcho(number(at: value))
    case .move where length >= 8: return .move(offset: number(at: value), data: value + 8..<value + length)
    default: return .other(type: type)
    }
  }

  private func number(at offset: Int) -> UInt64 { datagram.bigEndian(UInt64.self, at: offset) }
}
