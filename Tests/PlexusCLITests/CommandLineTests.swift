import Foundation
import PlexusTesting
import Testing

/// The program itself, as a user meets it: what it prints, and what it exits with.
@Suite(.timeLimit(.minutes(2))) struct CommandLineTests {
  private static let passage = [
    "--app-id=demo", "--peer-info=bob@example.org/lab", "--stun-server=127.0.0.1:9", "--exec-command=true",
  ]

  private static let email = ["--email-smtps=127.0.0.1:9", "--email-imaps=127.0.0.1:9", "--email-login=alice"]

  @Test func helpAndVersionAreNoErrors() throws {
    let help = try plexus("--help")
    #expect(help.status == 0 && help.errors.isEmpty)
    for option in ["--accept", "--app-id", "--app-name", "--punch-hops", "--exec-env", "--dht-network", "--config"] {
      #expect(help.output.contains(option))
    }
    #expect(try plexus("--version").output.hasPrefix("plexus 0."))
    #expect(try plexus("identity", "--help").status == 0)
    #expect(try plexus("ssh", "--version").output.hasPrefix("plexus 0."))
    #expect(try plexus("ssh", "--help").output.contains("OWNER/PIN"))
  }

  @Test(
    arguments: [
      (["--no-such-option"], 64, "--no-such-option"), ([], 64, "--app-id"), (["nonsense"], 64, "nonsense"),
      (passage + ["--punch-hops=300"], 64, "--punch-hops"), (passage + ["--config=/no/such/file"], 66, "/no/such/file"),
      (passage + ["--app-repo=/no/such/folder"], 78, "/no/such/folder"),
      (passage + email + ["--email-password=x", "--email-ca=/no/such/ca"], 66, "/no/such/ca"),
      (passage + email + ["--email-password-file=/no/such/file"], 66, "--email-password-file"),
      (passage + email + ["--email-password=x", "--email-cert=/dev/null"], 64, "--email-key"),
      (passage + ["--log-file=/no/such/folder/log"], 73, "/no/such/folder/log"),
      (passage + ["--host-info=eve@example.org/den"], 78, "eve@example.org/den"),
      (["identity", "show", "eve@example.org/den"], 78, "eve@example.org/den"),
      (["identity", "new", "eve"], 64, "eve"), (["identity", "import", "/no/such/file"], 66, "/no/such/file"),
      (["identity", "new", "a/b", "--bits=1024"], 64, "1024"), (["identity", "new", "a/b", "--days=0"], 64, "0 days"),
      (["identity", "new", "a/b", "--app-repo=/no/such/folder"], 73, "/no/such/folder"),
      (["serve", "--frob"], 64, "see plexus serve --help"), (["help", "nope"], 64, "nope"),
      (["identity", "new", "a/b", "--frob"], 64, "see plexus identity new --help"),
      (["help", "identity", "nope"], 64, "see plexus identity --help"),
      (["identity", "frob"], 64, "frob"), (["serve", "--address=192.0.2.1"], 64, "none to have them found"),
      (["ssh"], 64, "OWNER/PIN"), (["ssh", "--confg=x", "a@b/c"], 64, "--confg"),
    ] as [([String], Int32, String)])
  func aFailureIsOneLineThatNamesItsCause(arguments: [String], status: Int32, cause: String) throws {
    try withFolder { folder in
      let result = try plexus(arguments, in: folder)
      #expect(result.status == status, "\(result.errors)")
      #expect(result.errors.hasPrefix("plexus: ") && result.errors.contains(cause), "\(result.errors)")
      #expect(result.errors.filter { $0 == "\n" }.count == 1 && result.output.isEmpty, "\(result.errors)")
    }
  }

  @Test func identitiesAreMadeAndExchanged() throws {
    try withFolder { folder in
      for (repository, name) in [("alices", "alice@example.org/desk"), ("bobs", "bob@example.org/lab")] {
        let made = try plexus(["identity", "new", name, "--app-repo", repository, "--bits", "2048"], in: folder)
        #expect(made.status == 0 && made.output.contains("fingerprint"), "\(made.errors)")
      }
      let again = try plexus(["identity", "new", "alice@example.org/desk", "--app-repo=alices"], in: folder)
      #expect(again.status == 78 && again.errors.contains("alice@example.org/desk"))

      let exported = try plexus(["identity", "export", "alice@example.org/desk", "--app-repo=alices"], in: folder)
      #expect(exported.output.hasPrefix("-----BEGIN CERTIFICATE-----") && !exported.output.contains("PRIVATE"))
      try exported.output.write(toFile: "\(folder)/alice.crt", atomically: true, encoding: .utf8)
      let imported = try plexus(["identity", "import", "alice.crt", "--app-repo=bobs"], in: folder)
      #expect(imported.status == 0 && imported.output.contains("alice@example.org/desk"), "\(imported.errors)")

      let nowhere = ["identity", "export", "alice@example.org/desk", "--app-repo=alices", "--output=/no/such/file"]
      #expect(try plexus(nowhere, in: folder).status == 73)

      let listed = try plexus(["identity", "list", "--app-repo=bobs"], in: folder).output
      #expect(listed.contains("peer  alice@example.org/desk") && listed.contains("own   bob@example.org/lab"))
      let secret = try plexus(
        ["identity", "import", "bobs/bob@example.org/lab/private.key", "--app-repo=alices"], in: folder)
      #expect(secret.status == 78 && secret.errors.contains("private key"))
      #expect(!FileManager.default.fileExists(atPath: "\(folder)/alices/bob@example.org"))
    }
  }

  @Test func aLogFileGetsTheLinesAndTheProcessID() throws {
    try withFolder { folder in
      _ = try plexus(["identity", "new", "alice@example.org/desk", "--bits", "2048"], in: folder)
      let arguments = Self.passage + ["--log-file=plexus-%p.log"]
      let result = try plexus(arguments, in: folder)
      // Bob is unknown here, and that is told.
      #expect(result.status == 78 && result.errors.contains("bob@example.org/lab"))
      let logs = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix("plexus-") }
      #expect(logs.count == 1 && logs[0].dropFirst(7).dropLast(4).allSatisfy(\.isNumber))
    }
  }

  @Test func closedStandardDescriptorsHarmNothing() throws {
    try withFolder { folder in
      let shell = Process()
      shell.executableURL = URL(fileURLWithPath: "/bin/sh")
      let program = try #require(Lab.findProgram("plexus"))
      let log = "\(folder)/log"
      shell.arguments =
        ["-c", "exec \"$0\" \"$@\" <&- >&- 2>&-", program] + Self.passage + ["--log-file", log, "--app-repo", folder]
      try shell.run()
      shell.waitUntilExit()
      #expect(shell.terminationStatus == 78)
    }
  }

  @Test func theListTellsWhatIsWrongWithAPrivateKey() throws {
    try withFolder { folder in
      _ = try plexus(["identity", "new", "alice@example.org/desk", "--bits", "2048"], in: folder)
      let key = "\(folder)/alice@example.org/desk/private.key"
      try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: key)
      let open = try plexus(["identity", "list"], in: folder)
      #expect(open.status == 0 && open.output.contains("warning: ") && open.output.contains("chmod 600"))
      try "nothing".write(toFile: key, atomically: true, encoding: .utf8)
      let broken = try plexus(["identity", "list"], in: folder)
      #expect(
        broken.output.hasPrefix("own   alice@example.org/desk  unusable: ") && broken.output.contains("private.key"))
      try FileManager.default.removeItem(atPath: key)
      try FileManager.default.createDirectory(atPath: key, withIntermediateDirectories: false)
      let folderForKey = try plexus(["identity", "show", "alice@example.org/desk"], in: folder)
      #expect(
        folderForKey.status == 66 && folderForKey.errors.contains("no regular file; a private key has to be in one"))
    }
  }

  @Test(arguments: [
    "identity export alice@example.org/desk >/dev/full", "identity list >/dev/full", "identity list >&-",
    "--help >/dev/full", "--version >&-", "identity show alice@example.org/desk >&-",
  ])
  func whatCannotBePrintedIsAFailure(command: String) throws {
    try withFolder { folder in
      _ = try plexus(["identity", "new", "alice@example.org/desk", "--bits", "2048"], in: folder)
      let result = try shell("exec \"$0\" \(command)", in: folder)
      #expect(result.status == 73, "\(result.errors)")
      #expect(result.errors.hasPrefix("plexus: standard output cannot be written: "), "\(result.errors)")
      #expect(result.errors.filter { $0 == "\n" }.count == 1, "\(result.errors)")
    }
  }

  private struct Result {
    var status: Int32
    var output: String
    var errors: String
  }

  private func plexus(_ arguments: String...) throws -> Result { try plexus(arguments, in: "/") }

  private func plexus(_ arguments: [String], in folder: String) throws -> Result {
    try run(try #require(Lab.findProgram("plexus")), arguments, in: folder)
  }

  /// Runs a line of a shell, whose `$0` is plexus.
  private func shell(_ line: String, in folder: String) throws -> Result {
    try run("/bin/sh", ["-c", line, try #require(Lab.findProgram("plexus"))], in: folder)
  }

  private func run(_ program: String, _ arguments: [String], in folder: String) throws -> Result {
    let process = Process()
    let (output, errors) = (Pipe(), Pipe())
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    // A sanitizer's options are the test's, too.
    let options = ProcessInfo.processInfo.environment.filter { $0.key.hasSuffix("SAN_OPTIONS") }
    process.environment = options.merging(["HOME": folder, "PATH": "/usr/bin:/bin"]) { $1 }
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    // What is printed here fits into a pipe, so reading one after the other cannot block.
    let texts = [output, errors].map { String(decoding: $0.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self) }
    process.waitUntilExit()
    return Result(status: process.terminationStatus, output: texts[0], errors: texts[1])
  }
}

private func withFolder(_ body: (String) throws -> Void) throws {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent("plexus-\(UUID().uuidString)").path
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  try body(folder)
}
