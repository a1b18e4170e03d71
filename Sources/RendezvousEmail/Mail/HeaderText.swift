/// Texts of header fields: other than ASCII stands there as encoded words (RFC 2047).
enum HeaderText {
  /// As it stands in a header field: itself where it is printable ASCII, else encoded words of UTF-8.
  static func encode(_ text: String) -> String {
    guard !text.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) || text.contains("=?") else { return text }
    // A word has 75 characters at most: 45 bytes become 60, and a character is not torn.
    var words: [String] = []
    var chunk: [UInt8] = []
    for scalar in text.unicodeScalars {
      let bytes = Array(String(scalar).utf8)
      if chunk.count + bytes.count > 45 {
        words.append("=?UTF-8?B?\(Base64.encode(chunk))?=")
        chunk = []
      }
      chunk += bytes
    }
    if !chunk.isEmpty { words.append("=?UTF-8?B?\(Base64.encode(chunk))?=") }
    return words.joined(separator: "\r\n ")
  }

  /// Bytes of a field that are looked at: a subject or the name of a person has some dozen, an identity's pin 255 at most.
  static let limit = 1024

  /// The text that is meant: encoded words are decoded, blanks between two of them are not part of it.
  ///
  /// Takes time in proportion to the length. A text past ``limit`` is none of ours: it is cut there, and nothing in it is decoded.
  static func decode(_ text: String) -> String {
    guard text.utf8.count <= limit else { return String(decoding: text.utf8.prefix(limit), as: UTF8.self) }
    var result = ""
    var rest = text[...]
    var isAfterWord = false
    while let start = rest.firstRange(of: "=?") {
      let before = rest[..<start.lowerBound]
      guard let (word, end) = word(in: rest, from: start.upperBound) else {
        result += rest[..<start.upperBound]
        rest = rest[start.upperBound...]
        isAfterWord = false
        continue
      }
      if !isAfterWord || !before.allSatisfy({ $0 == " " || $0 == "\t" }) { result += before }
      result += word
      rest = rest[end...]
      isAfterWord = true
    }
    return result + rest
  }

  /// The text of the encoded word whose `=?` ends at `start`, and where it ends: `charset?encoding?text?=`.
  ///
  /// Looks no further than the third question mark, so that no byte is looked at for more than a few words.
  private static func word(in text: Substring, from start: String.Index) -> (String, String.Index)? {
    var rest = text.utf8[start...]
    guard let charset = rest.popUntilQuestionMark(), let encoding = rest.popUntilQuestionMark(), encoding.count == 1,
      let content = rest.popUntilQuestionMark(), rest.popFirst() == UInt8(ascii: "=")
    else { return nil }
    let bytes: [UInt8]?
    switch encoding.first {
    case UInt8(ascii: "b"), UInt8(ascii: "B"): bytes = Base64.decode(content)
    case UInt8(ascii: "q"), UInt8(ascii: "Q"): bytes = quotedPrintable(content)
    default: bytes = nil
    }
    guard let bytes else { return nil }
    // A language may stand behind an asterisk (RFC 2231, section 5).
    switch Substring(charset).lowercased().prefix(while: { $0 != "*" }) {
    case "utf-8", "us-ascii": return (String(decoding: bytes, as: UTF8.self), rest.startIndex)
    case "iso-8859-1": return (String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) })), rest.startIndex)
    default: return nil
    }
  }

  private static func quotedPrintable(_ text: Substring.UTF8View) -> [UInt8]? {
    var bytes: [UInt8] = []
    var rest = text[...]
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "_"): bytes.append(0x20)
      case UInt8(ascii: "="):
        guard let high = rest.popFirst()?.hexValue, let low = rest.popFirst()?.hexValue else { return nil }
        bytes.append(high << 4 | low)
      default: bytes.append(byte)
      }
    }
    return bytes
  }
}

extension Substring.UTF8View {
  /// Takes off what stands before the next question mark, and the mark; nil where there is none.
  fileprivate mutating func popUntilQuestionMark() -> Self? {
    guard let mark = firstIndex(of: UInt8(ascii: "?")) else { return nil }
    defer { self = self[index(after: mark)...] }
    return self[..<mark]
  }
}

extension UInt8 {
  fileprivate var hexValue: UInt8? { Character(Unicode.Scalar(self)).hexDigitValue.map { UInt8($0) } }
}
