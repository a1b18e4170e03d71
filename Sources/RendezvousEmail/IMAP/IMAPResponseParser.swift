/// Cuts the bytes of an IMAP server into responses, however they were split on their way.
///
/// A response is a line in which literals may stand: `{5}`, a line end, and five bytes that may be anything. Lines, literals and the
/// whole are bounded: a literal that is too long is counted and thrown away, everything else that is too long is an error.
struct IMAPResponseParser {
  /// Text of a response, without literals. A SEARCH over a large mailbox is the longest.
  static let lineLimit = 128 * 1024
  /// The longest literal that is kept: our mails have 5 KB.
  static let literalLimit = 64 * 1024
  /// The literals of one response together.
  static let literalsLimit = 256 * 1024
  /// The longest literal that is waited for, though not kept. Whoever announces more would keep us for hours.
  static let skippedLimit = 64 * 1024 * 1024

  /// A piece of a response.
  enum Piece: Hashable {
    case text([UInt8])
    case literal([UInt8])
    case oversized(Int)
  }

  private enum State {
    case line
    case literal(left: Int)
    case skipping(left: Int, of: Int)
  }

  private var state = State.line
  private var line: [UInt8] = []
  private var literal: [UInt8] = []
  private var pieces: [Piece] = []
  private var textLength = 0
  private var literalLength = 0
  private var input: ArraySlice<UInt8> = []

  /// Whether bytes wait that are no whole response yet, or a response not yet taken.
  var isEmpty: Bool { input.isEmpty && line.isEmpty && pieces.isEmpty }

  /// Takes bytes of the server.
  mutating func append(_ bytes: some Collection<UInt8>) {
    input = ArraySlice(Array(input) + bytes)
  }

  /// The next response; nil until more bytes come.
  mutating func next() throws(IMAPSyntaxError) -> IMAPResponse? {
    while !input.isEmpty {
      switch state {
      case .literal(let left):
        let taken = input.prefix(left)
        literal += taken
        input = input.dropFirst(taken.count)
        state = .literal(left: left - taken.count)
      case .skipping(let left, let length):
        let taken = min(left, input.count)
        input = input.dropFirst(taken)
        state = .skipping(left: left - taken, of: length)
      case .line:
        guard let end = input.firstIndex(of: 0x0A) else {
          try take(input)
          input = []
          return nil
        }
        try take(input[..<end])
        input = input[input.index(after: end)...]
        if line.last == 0x0D { line.removeLast() }
        guard try !beginLiteral() else { break }
        pieces.append(.text(line))
        let whole = pieces
        (line, pieces, textLength, literalLength) = ([], [], 0, 0)
        var reader = IMAPResponseReader(whole)
        return try reader.response()
      }
      endLiteral()
    }
    return nil
  }

  private mutating func take(_ text: ArraySlice<UInt8>) throws(IMAPSyntaxError) {
    textLength += text.count
    guard textLength <= Self.lineLimit else { throw IMAPSyntaxError(description: "a line without end") }
    line += text
  }

  /// Whether the line goes on with a literal.
  private mutating func beginLiteral() throws(IMAPSyntaxError) -> Bool {
    guard line.last == UInt8(ascii: "}"), mayHoldLiterals, let open = line.lastIndex(of: UInt8(ascii: "{")) else {
      return false
    }
    let digits = line[line.index(after: open)...].dropLast()
    guard !digits.isEmpty, digits.count <= 20, digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return false }
    guard let length = Int(String(decoding: digits, as: UTF8.self)), length <= Self.skippedLimit else {
      throw IMAPSyntaxError(description: "a literal that is too long")
    }
    var text = Array(line[..<open])
    // literal8 of RFC 3516.
    if text.last == UInt8(ascii: "~") { text.removeLast() }
    pieces.append(.text(text))
    line = []
    literalLength += length
    if length <= Self.literalLimit, literalLength <= Self.literalsLimit {
      literal = []
      state = .literal(left: length)
    } else {
      literalLength -= length
      state = .skipping(left: length, of: length)
    }
    // Each costs a few bytes on the wire and much more here.
    guard pieces.count <= 256 else { throw IMAPSyntaxError(description: "too many literals in one response") }
    return true
  }

  private mutating func endLiteral() {
    switch state {
    case .literal(left: 0): pieces.append(.literal(literal))
    case .skipping(left: 0, let length): pieces.append(.oversized(length))
    default: return
    }
    literal = []
    state = .line
  }

  /// The text for people at the end of a status may look like the beginning of a literal, and is none.
  private var mayHoldLiterals: Bool {
    guard pieces.isEmpty else { return true }
    let words = line.split(separator: 0x20, maxSplits: 2, omittingEmptySubsequences: false)
    guard let first = words.first, first != [UInt8(ascii: "+")] else { return false }
    guard words.count > 1 else { return true }
    return IMAPStatus.Kind(rawValue: String(decoding: words[1], as: UTF8.self).uppercased()) == nil
  }
}
