/// What an SMTP server answers: three digits and a text of one or more lines (RFC 5321, section 4.2).
struct SMTPReply: Hashable {
  let code: Int
  /// The lines without their codes.
  let lines: [String]

  var isPositive: Bool { (200..<400).contains(code) }
  /// Whether the same may work later.
  var isTransient: Bool { (400..<500).contains(code) }
  /// In one line, with the code.
  var text: String { "\(code) \(lines.joined(separator: " "))" }
}

/// What the server says is no reply.
struct SMTPSyntaxError: Error, Hashable {}

/// Cuts the bytes of an SMTP server into replies, however they were split on their way.
struct SMTPReplyParser {
  /// RFC 5321 has 512; real servers go over it.
  static let lineLimit = 4096
  /// The answer to EHLO has a line for each extension.
  static let linesLimit = 128

  private var line: [UInt8] = []
  private var lines: [String] = []
  private var input: ArraySlice<UInt8> = []

  /// Whether nothing waits.
  var isEmpty: Bool { input.isEmpty && line.isEmpty && lines.isEmpty }

  /// Takes bytes of the server.
  mutating func append(_ bytes: some Collection<UInt8>) { input = ArraySlice(Array(input) + bytes) }

  /// The next reply; nil until more bytes come.
  mutating func next() throws(SMTPSyntaxError) -> SMTPReply? {
    while !input.isEmpty {
      let end = input.firstIndex(of: 0x0A)
      line += input[..<(end ?? input.endIndex)]
      guard line.count <= Self.lineLimit, lines.count < Self.linesLimit else { throw SMTPSyntaxError() }
      guard let end else {
        input = []
        return nil
      }
      input = input[input.index(after: end)...]
      if line.last == 0x0D { line.removeLast() }
      let digits = line.prefix(3)
      guard digits.count == 3, digits.allSatisfy({ (0x30...0x39).contains($0) }),
        let code = Int(String(decoding: digits, as: UTF8.self)), (200..<600).contains(code)
      else { throw SMTPSyntaxError() }
      let rest = line.dropFirst(3)
      guard rest.isEmpty || rest.first == UInt8(ascii: "-") || rest.first == 0x20 else { throw SMTPSyntaxError() }
      lines.append(String(decoding: rest.dropFirst(), as: UTF8.self))
      line = []
      if rest.first != UInt8(ascii: "-") {
        defer { lines = [] }
        return SMTPReply(code: code, lines: lines)
      }
    }
    return nil
  }
}
