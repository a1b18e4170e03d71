import Datagrams

/// Takes the parts of a scenario off the input; once it has ended everything is zero.
struct FuzzInput {
  private(set) var rest: ArraySlice<UInt8>

  init(_ bytes: [UInt8]) { rest = bytes[...] }

  var isAtEnd: Bool { rest.isEmpty }

  mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

  mutating func integer<Value: FixedWidthInteger & UnsignedInteger>(_: Value.Type = Value.self) -> Value {
    (0..<Value.bitWidth / 8).reduce(0) { value, _ in value << 8 | Value(byte()) }
  }

  /// Bytes whose number, below 256, stands before them.
  mutating func bytes() -> [UInt8] {
    let count = min(Int(byte()), rest.count)
    defer { rest = rest.dropFirst(count) }
    return Array(rest.prefix(count))
  }

  /// All that is left.
  mutating func remainder() -> [UInt8] {
    defer { rest = [] }
    return Array(rest)
  }

  /// One of a few.
  mutating func choice<Element>(of elements: [Element]) -> Element { elements[Int(byte()) % elements.count] }

  /// A time that passes: from nothing to seconds.
  mutating func duration() -> Duration {
    let byte = byte()
    return .microseconds(1 << Int64(byte & 0x0F)) * Int(byte >> 4) * 8
  }
}

/// SplitMix64, so that the same input does the same each time.
struct FuzzRandom: RandomNumberGenerator, Sendable {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }
}

extension Endpoint {
  /// An endpoint that is written in the source.
  static func known(_ text: StaticString) -> Endpoint {
    guard let endpoint = Endpoint("\(text)") else { preconditionFailure("\(text) is no endpoint") }
    return endpoint
  }
}
