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

  /// The text that is meant: encoded words are decoded, blanks between two of them are not part of it.
  static func decode(_ text: String) -> String {
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

  /// The text of the encoded word whose `=?` ends at `start`, and where it ends.
  private static func word(in text: Substring, from start: String.Index) -> (String, String.Index)? {
    guard let end = text[start...].firstRange(of: "?=") else { return nil }
    var pieces = text[start..<end.lowerBound].split(separator: "?", omittingEmptySubsequences: false)
    var close = end
    // Q encoded text may begin with `=`, which looks like the end of the word.
    if pieces.count == 2, let next = text[end.upperBound...].firstRange(of: "?=") {
      pieces = text[start..<next.lowerBound].split(separator: "?", omittingEmptySubsequences: false)
      close = next
    }
    guard pieces.count == 3 else { return nil }
    let bytes: [UInt8]?
    switch pieces[1].lowercased() {
    case "b": bytes = Base64.decode(pieces[2].utf8)
    case "q": bytes = quotedPrintable(pieces[2].utf8)
    default: bytes = nil
    }
    guard let bytes else { return nil }
    switch pieces[0].lowercased().prefix(while: { $0 != "*" }) {
    case "utf-8", "us-ascii": return (String(decoding: bytes, as: UTF8.self), close.upperBound)
    case "iso-8859-1": return (String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) })), close.upperBound)
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

extension UInt8 {
  fileprivate var hexValue: UInt8? { Character(Unicode.Scalar(self)).hexDigitValue.map { UInt8($0) } }
}
