/// Splits a text into words as a shell does: white space separates, single quotes keep everything, double quotes keep all but
/// backslash escapes of `"` and `\`, and a backslash outside quotes keeps the next character.
///
/// Nothing is expanded, no shell runs.
///
/// - Throws: ``PlexusError`` (`invalidOption`) for a quote that is never closed or a backslash at the end.
func shellWords(_ text: String) throws(PlexusError) -> [String] {
  var words: [String] = []
  /// nil between words; empty quotes make an empty word.
  var word: String?
  var quote: Character?
  var characters = text.makeIterator()
  while let character = characters.next() {
    switch (quote, character) {
    case (nil, "\\"), ("\"", "\\"):
      guard let next = characters.next() else {
        throw PlexusError(.invalidOption, "the arguments end in a backslash: \(text)", advice: "write \\\\ for one")
      }
      let isEscape = quote == nil || next == "\"" || next == "\\"
      word = (word ?? "") + (isEscape ? "\(next)" : "\\\(next)")
    case (nil, "'"), (nil, "\""):
      quote = character
      word = word ?? ""
    case (let open?, character) where open == character:
      quote = nil
    case (nil, _) where character.isWhitespace:
      if let word { words.append(word) }
      word = nil
    default:
      word = (word ?? "") + "\(character)"
    }
  }
  if let quote {
    throw PlexusError(.invalidOption, "a quote \(quote) is never closed in: \(text)", advice: "close it")
  }
  return word.map { words + [$0] } ?? words
}
