/// The configuration file of the command lines: `name = value` lines, `#` and `;` comments, and `[section]` headers
/// that prefix the names below them with `section.`.
///
/// The file as a whole and each line are bounded, and nothing in it can trap: it may be anything that a user points at.
public struct INIFile: Equatable, Sendable {
  /// One setting and the line that it stands on, counted from 1.
  public struct Entry: Equatable, Sendable {
    /// The option's name, with its section's prefix.
    public var name: String
    /// The value, without surrounding white space and one pair of quotes.
    public var value: String
    /// The line number, from 1.
    public var line: Int

    /// A setting on a line.
    public init(name: String, value: String, line: Int) {
      self.name = name
      self.value = value
      self.line = line
    }
  }

  /// The settings in the order of the file; a name can stand more than once.
  public var entries: [Entry]

  /// More than any configuration has, and little enough to read in one go.
  public static let maximumBytes = 256 * 1024

  /// Reads the text of a configuration file.
  ///
  /// - Throws: ``INIError`` with the number of the line that is neither a setting, a section, a comment nor empty.
  public init(parsing text: String) throws(INIError) {
    guard text.utf8.count <= Self.maximumBytes else { throw INIError(line: 1, problem: "the file is too large") }
    var scalars = text.unicodeScalars[...]
    // Editors of other systems begin a file with a byte order mark, which is no part of the first name.
    if scalars.first == "\u{FEFF}" { scalars.removeFirst() }
    let text = Substring(scalars)
    var entries: [Entry] = []
    var prefix = ""
    // `isNewline` takes CR LF as one character, so that files from other systems read the same.
    for (index, raw) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
      let line = Self.trimmed(raw)
      guard let first = line.first, first != "#", first != ";" else { continue }
      if first == "[" {
        guard line.last == "]", case let section = Self.trimmed(line.dropFirst().dropLast()), !section.isEmpty else {
          throw INIError(line: index + 1, problem: "a section is written [name]")
        }
        prefix = section + "."
      } else {
        guard let equals = line.firstIndex(of: "="), case let name = Self.trimmed(line[..<equals]), !name.isEmpty else {
          throw INIError(line: index + 1, problem: "a setting is written name = value")
        }
        let value = Self.unquoted(Self.trimmed(line[line.index(after: equals)...]))
        entries.append(Entry(name: prefix + name, value: String(value), line: index + 1))
      }
    }
    self.entries = entries
  }

  private static func trimmed(_ text: Substring) -> Substring {
    var text = text.drop(while: \.isWhitespace)
    while text.last?.isWhitespace == true { text.removeLast() }
    return text
  }

  /// Only a value that is quoted as a whole loses its quotes: `"a" "b"` is a list for a shell-like reader.
  private static func unquoted(_ value: Substring) -> Substring {
    guard value.count >= 2, let quote = value.first, quote == "\"" || quote == "'", value.last == quote else {
      return value
    }
    let inner = value.dropFirst().dropLast()
    return inner.contains(quote) ? value : inner
  }
}

/// What is wrong with a configuration file, and where.
public struct INIError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The line, from 1.
  public var line: Int
  /// What is wrong with it.
  public var problem: String

  /// `line N: problem`.
  public var description: String { "line \(line): \(problem)" }
}
