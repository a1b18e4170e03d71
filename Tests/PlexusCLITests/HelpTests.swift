import Foundation
import PlexusTesting
import Testing

/// What the programs say of themselves: help, manual and completions.
@Suite(.timeLimit(.minutes(2))) struct HelpTests {
  private static let commands = [
    ["plexus"], ["plexus", "identity"], ["plexus", "identity", "new"], ["plexus", "identity", "list"],
    ["plexus", "identity", "show"], ["plexus", "identity", "export"], ["plexus", "identity", "import"],
    ["plexus", "doctor"], ["plexus", "explore"], ["plexus", "serve"], ["plexus", "advent"], ["plexus", "ssh"],
    ["wormhole"],
  ]

  @Test(arguments: commands, [80, 300]) func helpIsNeverWiderThanAHundredColumns(words: [String], terminal: Int) throws
  {
    let help = try run(words + ["--help"], environment: ["COLUMNS": "\(terminal)"])
    #expect(help.contains("USAGE: \(words.joined(separator: " "))"), "\(help)")
    for line in help.split(separator: "\n") { #expect(line.count <= min(terminal, 100), "\(line)") }
  }

  @Test func helpIsGroupedByPurposeAndNamesTheSubcommands() throws {
    let help = try run(["plexus", "--help"])
    let titles = help.split(separator: "\n").filter { $0.last == ":" && $0.first?.isUppercase == true }
    #expect(
      titles.count >= 8 && titles.contains("SUBCOMMANDS:") && titles.contains("MEETING OVER THE DHT:"), "\(titles)")
    let unwrapped = help.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(unwrapped.contains("(default: bootstrap.jami.net:4222)") && help.contains("  bob$ plexus --config"))
  }

  @Test func helpIsASubcommandToo() throws {
    #expect(try run(["plexus", "help", "serve"]) == run(["plexus", "serve", "--help"]))
    #expect(try run(["plexus", "help"]) == run(["plexus", "--help"]))
  }

  @Test(arguments: ["plexus", "wormhole"]) func versionTellsTheCommit(program: String) throws {
    let lines = try run([program, "--version"]).split(separator: "\n")
    #expect(lines[0].hasPrefix("\(program) ") && lines[0].contains(" (commit "))
    if program == "plexus" {
      #expect(lines.count == 2 && lines[1].hasPrefix("OpenDHT 2.") && lines[1].contains(", OpenSSL 3."))
    }
  }

  @Test(arguments: commands) func everyOptionIsInTheManual(words: [String]) throws {
    try withManual(of: words[0]) { folder in
      let page = words.prefix(2).joined(separator: "-")
      let manual = try String(contentsOfFile: "\(folder)/\(page).1", encoding: .utf8).replacing("\\-", with: "-")
      let options = try run(words + ["--help"]).split(separator: "\n").drop { !$0.hasPrefix("USAGE:") }
      for line in options where line.hasPrefix("  -") {
        for word in line.split(separator: " ").prefix(while: { $0.hasPrefix("-") }) {
          let option = word.filter { $0 != "," }.split(separator: "/").first ?? ""
          #expect(manual.contains("Fl \(option.dropFirst())"), "\(option) of \(words)")
        }
      }
    }
  }

  @Test(.enabled(if: Lab.findProgram("mandoc") != nil, "There is no program mandoc; install the package mandoc."))
  func theManualIsCorrect() throws {
    for program in ["plexus", "wormhole"] {
      try withManual(of: program) { folder in
        for page in try FileManager.default.contentsOfDirectory(atPath: folder) {
          let complaints = try run(["mandoc", "-T", "lint", "-W", "warning", "\(folder)/\(page)"], mayFail: true)
          #expect(complaints.isEmpty, "\(complaints)")
        }
      }
    }
  }

  @Test(arguments: ["bash", "zsh", "fish"]) func completionsKnowOptionsAndSubcommands(shell: String) throws {
    let script = try run(["plexus", "--generate-completion-script", shell])
    for word in ["stun-server", "identity", "advent"] { #expect(script.contains(word)) }
  }

  private func withManual(of program: String, _ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("plexus-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let additions = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" } + "/packaging/man"
    let tool = try #require(Lab.findProgram("ManualTool"))
    let from = try #require(Lab.findProgram(program))
    _ = try run([
      "sh", "-c", "\"$0\" --experimental-dump-help | \"$1\" \"$2\" 'January 1, 2026' \"$3\"", from, tool, folder,
      additions,
    ])
    try body(folder)
  }

  private func run(_ words: [String], environment: [String: String] = [:], mayFail: Bool = false) throws -> String {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: try #require(Lab.findProgram(words[0])))
    process.arguments = Array(words.dropFirst())
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardOutput = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(mayFail || process.terminationStatus == 0, "\(words)")
    return text
  }
}
