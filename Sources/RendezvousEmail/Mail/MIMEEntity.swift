/// A mail, or a part of one: header fields and a body (RFC 5322, RFC 2045). It may be anything that a stranger sent.
struct MIMEEntity {
  /// Names in lower case, values unfolded, in the order in which they stand.
  let fields: [(name: String, value: String)]
  /// All behind the first empty line, as it came.
  let body: ArraySlice<UInt8>

  /// More fields than any mail server adds.
  private static let maximumFields = 256

  /// Splits a mail. Lines that are no header fields are skipped; without an empty line there is no body.
  init(_ bytes: ArraySlice<UInt8>) {
    var fields: [(name: String, value: [UInt8])] = []
    var rest = bytes
    while let line = rest.popLine() {
      if line.isEmpty { break }
      if line.first?.isBlank == true, !fields.isEmpty {
        // A folded field: the line end counts for nothing, the blanks stay.
        fields[fields.count - 1].value += line
      } else if let colon = line.firstIndex(of: UInt8(ascii: ":")), fields.count < Self.maximumFields {
        let name = String(decoding: line[..<colon], as: UTF8.self).lowercased().trimmed
        fields.append((name, Array(line[line.index(after: colon)...])))
      }
    }
    self.fields = fields.map { ($0.name, String(decoding: $0.value, as: UTF8.self).trimmed) }
    body = rest
  }

  /// The first field of this name, given in lower case.
  subscript(name: String) -> String? { fields.first { $0.name == name }?.value }

  /// The type of the content, `text/plain` if nothing says otherwise.
  var contentType: ContentType { ContentType(self["content-type"] ?? "text/plain") }

  /// The body without its transfer encoding; nil if it has one that is not known here.
  var decodedBody: [UInt8]? {
    switch (self["content-transfer-encoding"] ?? "7bit").lowercased() {
    case "base64": Base64.decode(body)
    case "7bit", "8bit", "binary": Array(body)
    default: nil
    }
  }

  /// The parts of a multipart body, as they stand between the boundaries: at most 16.
  func parts(boundary: String) -> [ArraySlice<UInt8>] {
    let delimiter = Array("--\(boundary)".utf8)
    var parts: [ArraySlice<UInt8>] = []
    var start: Int?
    var rest = body
    while parts.count < Self.maximumParts {
      let lineStart = rest.startIndex
      guard let line = rest.popLine() else { break }
      guard line.starts(with: delimiter) else { continue }
      let tail = line.dropFirst(delimiter.count)
      let isLast = tail.starts(with: [0x2D, 0x2D])
      guard (isLast ? tail.dropFirst(2) : tail).allSatisfy(\.isBlank) else { continue }
      if let start { parts.append(body[start..<max(start, lineStart)].droppingLineEnd) }
      start = rest.startIndex
      if isLast { break }
    }
    return parts
  }

  private static let maximumParts = 16
}

/// A Content-Type field: the type in lower case, and its parameters by lower-case names.
struct ContentType {
  let type: String
  let parameters: [String: String]

  init(_ value: String) {
    var parameters: [String: String] = [:]
    let pieces = value.splitOutsideQuotes(at: ";")
    for piece in pieces.dropFirst().prefix(32) {
      guard let equals = piece.firstIndex(of: "=") else { continue }
      let name = String(piece[..<equals]).trimmed.lowercased()
      parameters[name] = String(piece[piece.index(after: equals)...]).trimmed.unquoted
    }
    type = (pieces.first ?? "").trimmed.lowercased()
    self.parameters = parameters
  }
}

extension ArraySlice<UInt8> {
  /// Takes the next line off, without its line end (CR LF or LF); nil at the end.
  mutating func popLine() -> ArraySlice<UInt8>? {
    guard !isEmpty else { return nil }
    let end = firstIndex(of: 0x0A) ?? endIndex
    var line = self[startIndex..<end]
    self = self[(end < endIndex ? index(after: end) : endIndex)...]
    if line.last == 0x0D { line.removeLast() }
    return line
  }

  /// Without the line end that belongs to the boundary that follows.
  var droppingLineEnd: ArraySlice<UInt8> {
    var bytes = self
    if bytes.last == 0x0A { bytes.removeLast() }
    if bytes.last == 0x0D { bytes.removeLast() }
    return bytes
  }

  /// The same with CR LF at the end of each line, which is what is signed (RFC 8551, section 3.1.1).
  var canonicalLines: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 16)
    for byte in self {
      if byte == 0x0A, bytes.last != 0x0D { bytes.append(0x0D) }
      bytes.append(byte)
    }
    return bytes
  }
}

extension UInt8 {
  var isBlank: Bool { self == 0x20 || self == 0x09 }
}

extension String {
  /// Without blanks and line ends around it.
  var trimmed: String {
    let isOuter = { (scalar: Unicode.Scalar) in scalar == " " || scalar == "\t" || scalar == "\r" || scalar == "\n" }
    var text = unicodeScalars[...]
    while let first = text.first, isOuter(first) { text.removeFirst() }
    while let last = text.last, isOuter(last) { text.removeLast() }
    return String(text)
  }

  /// Without the quotes of a quoted string, if it is one (RFC 5322, section 3.2.4).
  var unquoted: String {
    guard count >= 2, first == "\"", last == "\"" else { return self }
    var text = ""
    var isEscaped = false
    for character in dropFirst().dropLast() {
      if character == "\\", !isEscaped {
        isEscaped = true
      } else {
        text.append(character)
        isEscaped = false
      }
    }
    return text
  }

  /// The pieces between separators that stand outside quoted strings.
  func splitOutsideQuotes(at separator: Character) -> [String] {
    var pieces = [""]
    var isQuoted = false
    var isEscaped = false
    for character in self {
      if character == separator, !isQuoted {
        pieces.append("")
        continue
      }
      if character == "\"", !isEscaped { isQuoted.toggle() }
      isEscaped = character == "\\" && isQuoted && !isEscaped
      pieces[pieces.count - 1].append(character)
    }
    return pieces
  }
}
