/// Reads one whole response.
struct IMAPResponseReader {
  /// A part of a response.
  private enum Value {
    case atom(String)
    case string(IMAPFetch.Content)
    case list([Value])
  }

  /// Deeper than what is asked for here; a body structure may be, and nobody asks for one.
  private static let depthAtMost = 16

  private var pieces: ArraySlice<IMAPResponseParser.Piece>
  private var text: ArraySlice<UInt8> = []

  init(_ pieces: [IMAPResponseParser.Piece]) {
    self.pieces = pieces[...]
    advance()
  }

  /// - Throws: ``IMAPSyntaxError`` for what cannot be told from garbage. What is only strange is ``IMAPResponse/other``.
  mutating func response() throws(IMAPSyntaxError) -> IMAPResponse {
    let first = word()
    switch first {
    case "+": return .continuation(remainingText)
    case "*": return try untagged()
    // Some servers send an empty line now and then.
    case "": return .other
    default:
      guard let kind = IMAPStatus.Kind(rawValue: word().uppercased()), kind == .ok || kind == .no || kind == .bad else {
        throw IMAPSyntaxError(description: "something that is no response")
      }
      return .tagged(tag: first, status(kind))
    }
  }

  private mutating func untagged() throws(IMAPSyntaxError) -> IMAPResponse {
    let name = word().uppercased()
    if let kind = IMAPStatus.Kind(rawValue: name) { return .status(status(kind)) }
    if name == "CAPABILITY" { return .capability(words()) }
    if name == "SEARCH" { return .search(words().compactMap { UInt32($0) }) }
    guard let number = UInt32(name) else { return .other }
    switch word().uppercased() {
    case "EXISTS": return .exists(number)
    case "FETCH": return .fetch(try fetch())
    default: return .other
    }
  }

  // MARK: Statuses

  private mutating func status(_ kind: IMAPStatus.Kind) -> IMAPStatus {
    var code: IMAPStatus.Code?
    if text.first == UInt8(ascii: "["), let end = text.firstIndex(of: UInt8(ascii: "]")) {
      let words = String(decoding: text[text.index(after: text.startIndex)..<end], as: UTF8.self)
        .split(separator: " ").map(String.init)
      text = text[text.index(after: end)...]
      if text.first == 0x20 { text.removeFirst() }
      let number = words.dropFirst().first.flatMap { UInt32($0) }
      switch (words.first?.uppercased(), number) {
      case ("CAPABILITY"?, _): code = .capability(words.dropFirst().map { $0.uppercased() })
      case ("UIDVALIDITY"?, let number?): code = .uidValidity(number)
      case ("UIDNEXT"?, let number?): code = .uidNext(number)
      case (let name?, _): code = .other(name)
      case (nil, _): break
      }
    }
    return IMAPStatus(kind: kind, code: code, text: remainingText)
  }

  // MARK: FETCH

  private mutating func fetch() throws(IMAPSyntaxError) -> IMAPFetch {
    guard case .list(let values)? = try value(depth: 0) else {
      throw IMAPSyntaxError(description: "a FETCH response without its list")
    }
    var fetch = IMAPFetch()
    for index in stride(from: 0, to: values.count - 1, by: 2) {
      guard case .atom(let name) = values[index] else { continue }
      switch (name.uppercased(), values[index + 1]) {
      case ("UID", .atom(let text)): fetch.uid = UInt32(text)
      case ("RFC822.SIZE", .atom(let text)): fetch.size = Int(text)
      case ("INTERNALDATE", .string(.bytes(let bytes))): fetch.internalDate = String(decoding: bytes, as: UTF8.self)
      case (let name, .string(let content)) where name.hasPrefix("BODY[HEADER"): fetch.header = content
      case (let name, .string(let content)) where name.hasPrefix("BODY[]"): fetch.body = content
      default: break
      }
    }
    return fetch
  }

  /// The next value of a list; nil at its end.
  private mutating func value(depth: Int) throws(IMAPSyntaxError) -> Value? {
    guard depth < Self.depthAtMost else { throw IMAPSyntaxError(description: "lists that are nested too deeply") }
    while text.first == 0x20 { text.removeFirst() }
    guard let first = text.first else {
      switch pieces.popFirst() {
      case .literal(let bytes)?:
        advance()
        return .string(.bytes(bytes))
      case .oversized(let length)?:
        advance()
        return .string(.oversized(length))
      case .text?, nil: throw IMAPSyntaxError(description: "a list without end")
      }
    }
    switch first {
    case UInt8(ascii: ")"):
      text.removeFirst()
      return nil
    case UInt8(ascii: "("):
      text.removeFirst()
      var values: [Value] = []
      while let value = try value(depth: depth + 1) { values.append(value) }
      return .list(values)
    case UInt8(ascii: "\""):
      return .string(.bytes(try quoted()))
    default:
      return .atom(try atom())
    }
  }

  private mutating func quoted() throws(IMAPSyntaxError) -> [UInt8] {
    text.removeFirst()
    var bytes: [UInt8] = []
    while let byte = text.popFirst() {
      switch byte {
      case UInt8(ascii: "\""): return bytes
      case UInt8(ascii: "\\"): if let escaped = text.popFirst() { bytes.append(escaped) }
      default: bytes.append(byte)
      }
    }
    throw IMAPSyntaxError(description: "a string without end")
  }

  /// A word; blanks and parentheses between brackets belong to it, as in `BODY[HEADER.FIELDS (FROM)]`.
  private mutating func atom() throws(IMAPSyntaxError) -> String {
    var bytes: [UInt8] = []
    var isBracketed = false
    while true {
      guard let byte = text.first else {
        // A field name between the brackets may come as a literal.
        guard isBracketed else { break }
        guard case .literal(let name)? = pieces.popFirst() else {
          throw IMAPSyntaxError(description: "brackets without end")
        }
        bytes += name
        advance()
        continue
      }
      if !isBracketed, byte == 0x20 || byte == UInt8(ascii: "(") || byte == UInt8(ascii: ")") { break }
      if byte == UInt8(ascii: "[") { isBracketed = true }
      if byte == UInt8(ascii: "]") { isBracketed = false }
      bytes.append(byte)
      text.removeFirst()
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  // MARK: Text

  /// Goes on to the text behind a literal.
  private mutating func advance() {
    text = []
    guard case .text(let bytes)? = pieces.first else { return }
    text = bytes[...]
    pieces.removeFirst()
  }

  private mutating func word() -> String {
    let end = text.firstIndex(of: 0x20) ?? text.endIndex
    defer { text = end < text.endIndex ? text[text.index(after: end)...] : [] }
    return String(decoding: text[..<end], as: UTF8.self)
  }

  private mutating func words() -> [String] {
    defer { text = [] }
    return text.split(separator: 0x20).map { String(decoding: $0, as: UTF8.self).uppercased() }
  }

  private var remainingText: String { String(decoding: text, as: UTF8.self) }
}
