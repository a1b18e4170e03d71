import CLISupport

/// A configuration file that is read can be written, and then reads the same.
func fuzzINIFile(_ input: [UInt8]) throws {
  guard let text = String(validating: input, as: UTF8.self) else { return }
  let file: INIFile
  do throws(INIError) { file = try INIFile(parsing: text) } catch {
    try demand((1...text.utf8.count + 1).contains(error.line), "an error on line \(error.line)")
    return
  }
  let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).count
  var previous = 0
  for entry in file.entries {
    try demand(entry.line > previous && entry.line <= lines, "a setting on line \(entry.line)")
    previous = entry.line
    try demand(!entry.name.isEmpty, "a setting without a name")
    try demand(!entry.value.contains(where: \.isNewline), "a value of two lines")
    guard let line = line(of: entry) else { continue }
    let again = try? INIFile(parsing: line)
    try demand(
      again?.entries == [INIFile.Entry(name: entry.name, value: entry.value, line: 1)],
      "\(entry) reads as \(again as Any)")
  }
}

/// The entry as it could have been written; nil where it takes a section to write it.
private func line(of entry: INIFile.Entry) -> String? {
  guard let first = entry.name.first, !"[#;".contains(first), !entry.name.contains("="),
    entry.name.last?.isWhitespace == false, !first.isWhitespace
  else { return nil }
  for value in [entry.value, "\"\(entry.value)\"", "'\(entry.value)'"] {
    let line = "\(entry.name) = \(value)"
    // Marks that combine with what stands before them join the sign or the quote.
    guard line.count == entry.name.count + 3 + value.count else { return nil }
    let isQuoted = value.count > entry.value.count
    let quote = value.first
    if isQuoted ? !entry.value.contains(where: { $0 == quote }) : isPlain(value) { return line }
  }
  return nil
}

/// Whether the value is taken as it stands.
private func isPlain(_ value: String) -> Bool {
  guard let first = value.first, let last = value.last else { return true }
  let isQuoted = value.count >= 2 && first == last && (first == "\"" || first == "'")
  return !first.isWhitespace && !last.isWhitespace && !isQuoted
}
