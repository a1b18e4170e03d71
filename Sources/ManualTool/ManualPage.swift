/// A manual page in mdoc(7).
struct ManualPage {
  private var lines: [String] = []

  /// The page of one command and of those below it, but for commands that have a page of their own.
  ///
  /// - Parameters:
  ///   - command: The command, from the program itself.
  ///   - date: The day of the source, such as `November 23, 2026`.
  ///   - isRoot: Whether its subcommands have pages of their own.
  ///   - additions: mdoc text for the end, such as sections on files.
  init(of command: ToolDescription.Command, date: String, isRoot: Bool, additions: String) {
    let words = command.words
    let title = words.joined(separator: "-")
    macro("Dd", date)
    macro("Dt", title.uppercased(), "1")
    macro("Os")
    macro("Sh", "NAME")
    macro("Nm", Self.escaped(title))
    macro("Nd", Self.escaped((command.abstract ?? "").withoutFullStop))
    macro("Sh", "SYNOPSIS")
    synopsis(of: command)
    macro("Sh", "DESCRIPTION")
    prose(command.discussion ?? command.abstract ?? "")
    options(of: command)
    let below = (command.subcommands ?? []).filter { $0.shouldDisplay && $0.commandName != "help" }
    if isRoot {
      if !below.isEmpty { list("SUBCOMMANDS", below.map { ($0.words.joined(separator: "-"), $0.abstract ?? "") }) }
    } else {
      for subcommand in below {
        macro("Sh", Self.escaped(subcommand.words.joined(separator: " ").uppercased()))
        prose(subcommand.abstract ?? "")
        macro("Pp")
        synopsis(of: subcommand)
        prose(subcommand.discussion ?? "")
        options(of: subcommand)
      }
    }
    lines += additions.split(separator: "\n").map(String.init)
  }

  /// The page's source.
  var text: String { lines.joined(separator: "\n") + "\n" }

  private mutating func synopsis(of command: ToolDescription.Command) {
    macro("Nm", Self.escaped(command.words.joined(separator: " ")))
    let shown = command.shownArguments
    if shown.contains(where: { $0.kind != .positional }) { macro("Op", "Ar options") }
    for argument in shown where argument.kind == .positional {
      let value = "Ar \(Self.escaped(argument.valueName ?? "value"))"
      if argument.isOptional { macro("Op", value) } else { macro(value) }
    }
  }

  /// The options in the groups of the help.
  private mutating func options(of command: ToolDescription.Command) {
    var titles: [String] = []
    for argument in command.shownArguments {
      let title = argument.sectionTitle ?? (argument.kind == .positional ? "ARGUMENTS" : "OTHER OPTIONS")
      if !titles.contains(title) { titles.append(title) }
    }
    for title in titles {
      macro("Ss", Self.escaped(title.prefix(1) + title.dropFirst().lowercased().replacingAcronyms))
      macro("Bl", "-tag -width Ds")
      for argument in command.shownArguments
      where (argument.sectionTitle ?? (argument.kind == .positional ? "ARGUMENTS" : "OTHER OPTIONS")) == title {
        macro("It", Self.item(argument))
        var words = argument.abstract ?? ""
        if let value = argument.defaultValue, argument.kind != .flag { words += " (default: \(value))" }
        prose(words)
        if let discussion = argument.discussion { prose(discussion) }
      }
      macro("El")
    }
  }

  private mutating func list(_ title: String, _ entries: [(name: String, words: String)]) {
    macro("Sh", title)
    macro("Bl", "-tag -width Ds")
    for entry in entries {
      macro("It", "Xr \(Self.escaped(entry.name)) 1")
      prose(entry.words)
    }
    macro("El")
  }

  private static func item(_ argument: ToolDescription.Argument) -> String {
    let value = " Ar \(escaped(argument.valueName ?? "value"))"
    if argument.kind == .positional { return String(value.dropFirst()) }
    let names = (argument.names ?? []).map { name in
      // Fl brings one dash.
      "Fl \(name.kind == .long ? "\\-" : "")\(escaped(name.name))" + (argument.kind == .option ? value : "")
    }
    return names.joined(separator: " , ")
  }

  /// Paragraphs as they stand in the help; indented lines are commands, which are not filled.
  private mutating func prose(_ text: String) {
    var isLiteral = false
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      let indented = line.hasPrefix("  ")
      if indented != isLiteral, !(line.isEmpty && isLiteral) {
        if indented { macro("Bd", "-literal -offset indent") } else { macro("Ed") }
        isLiteral = indented
      }
      if line.isEmpty {
        // A paragraph, unless a display begins or ends here, which is one.
        if !isLiteral { macro("Pp") }
      } else {
        lines += isLiteral ? [Self.escaped(line.dropFirst(2))] : line.sentences.map(Self.escaped)
      }
    }
    if isLiteral { macro("Ed") }
    lines = lines.droppingParagraphsBesideDisplays
  }

  private mutating func macro(_ words: String...) { lines.append("." + words.joined(separator: " ")) }

  /// Text that roff prints as it is: no line of it is a request, and a minus can be copied.
  static func escaped(_ text: some StringProtocol) -> String {
    var result = ""
    for character in text {
      switch character {
      case "\\": result += "\\e"
      case "-": result += "\\-"
      case "'": result += "\\(aq"
      case "`": result += "\\(ga"
      case "~": result += "\\(ti"
      case "^": result += "\\(ha"
      default: result.append(character)
      }
    }
    return result.hasPrefix(".") ? "\\&" + result : result
  }
}

extension ToolDescription.Command {
  /// Such as `plexus`, `identity`, `new`.
  var words: [String] { (superCommands ?? []) + [commandName] }

  var shownArguments: [ToolDescription.Argument] { (arguments ?? []).filter(\.shouldDisplay) }
}

extension Substring {
  /// mdoc wants each on a line of its own, where it knows how wide the space behind it is.
  fileprivate var sentences: [Substring] {
    var sentences: [Substring] = []
    var rest = self
    while let end = rest.indices.first(where: { index in
      let behind = rest[index...].prefix(3)
      return behind.hasPrefix(". ") && behind.count == 3 && (behind.last?.isUppercase == true || behind.last == "(")
    }) {
      sentences.append(rest[...end])
      rest = rest[rest.index(end, offsetBy: 2)...]
    }
    return sentences + [rest]
  }
}

extension String {
  fileprivate var withoutFullStop: String { hasSuffix(".") ? String(dropLast()) : self }

  /// Titles are in capitals in the help; here only these are.
  fileprivate var replacingAcronyms: String {
    split(separator: " ").map { ["dht", "nat"].contains($0.filter(\.isLetter)) ? $0.uppercased() : String($0) }
      .joined(separator: " ")
  }
}

extension [String] {
  /// mandoc(1) warns of what changes nothing.
  fileprivate var droppingParagraphsBesideDisplays: [String] {
    indices.filter { index in
      guard self[index] == ".Pp" else { return true }
      let next = index + 1 < count ? self[index + 1] : ".Sh"
      let previous = index > 0 ? self[index - 1] : ".Sh"
      return ![".Bd", ".Bl", ".Sh", ".Ss", ".Pp"].contains { next.hasPrefix($0) }
        && ![".Sh", ".Ss"].contains { previous.hasPrefix($0) }
    }.map { self[$0] }
  }
}
