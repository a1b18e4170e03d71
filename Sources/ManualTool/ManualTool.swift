import FoundationEssentials

/// `PROGRAM --experimental-dump-help | ManualTool FOLDER DATE [ADDITIONS]` writes the manual pages of PROGRAM and of each of its first
/// words into FOLDER; `ADDITIONS/PROGRAM.mdoc` is put at the end of the program's own.
@main enum ManualTool {
  static func main() throws {
    let arguments = CommandLine.arguments
    guard arguments.count >= 3 else {
      print("usage: PROGRAM --experimental-dump-help | ManualTool FOLDER DATE [ADDITIONS]")
      return
    }
    var input = ""
    while let line = readLine(strippingNewline: false) { input += line }
    let root = try JSONDecoder().decode(ToolDescription.self, from: Data(input.utf8)).command
    let subcommands = (root.subcommands ?? []).filter { $0.shouldDisplay && $0.commandName != "help" }
    for command in [root] + subcommands {
      let name = command.words.joined(separator: "-")
      let additions =
        arguments.count > 3 ? (try? String(contentsOfFile: "\(arguments[3])/\(name).mdoc", encoding: .utf8)) : nil
      let page = ManualPage(
        of: command, date: arguments[2], isRoot: command.commandName == root.commandName, additions: additions ?? "")
      try page.text.write(toFile: "\(arguments[1])/\(name).1", atomically: true, encoding: .utf8)
    }
  }
}
