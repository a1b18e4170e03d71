import FoundationEssentials

/// Base64 of mails (RFC 2045, section 6.8).
enum Base64 {
  /// In one line.
  static func encode(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

  /// In lines of 64 characters with CR LF at the end of each.
  static func encodeLines(_ bytes: [UInt8]) -> String {
    let text = Array(encode(bytes).utf8)
    return stride(from: 0, to: text.count, by: 64)
      .map { String(decoding: text[$0..<min($0 + 64, text.count)], as: UTF8.self) + "\r\n" }.joined()
  }

  /// Nil for what is none; line ends and other strange characters do not count.
  static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
    Data(base64Encoded: Data(text), options: .ignoreUnknownCharacters).map(Array.init)
  }
}
