import Foundation

/// A program of another project that runs for the time of a test.
struct Program {
  let path: String

  /// nil where it is not installed.
  static func find(_ name: String) -> Program? {
    ["/usr/bin", "/usr/local/bin", "/usr/sbin", "/usr/local/sbin"].map { "\($0)/\(name)" }
      .first(where: FileManager.default.isExecutableFile(atPath:)).map(Program.init(path:))
  }

  static func isInstalled(_ name: String) -> Bool { find(name) != nil }

  /// Runs it in the background while `body` does.
  func running<Result>(_ arguments: [String], _ body: () async throws -> Result) async throws -> Result {
    let process = process(arguments)
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    let (ended, continuation) = AsyncStream.makeStream(of: Never.self)
    process.terminationHandler = { _ in continuation.finish() }
    try process.run()
    let result: Swift.Result<Result, any Error>
    do { result = .success(try await body()) } catch { result = .failure(error) }
    // Not SIGTERM: the process inherits a signal mask from us, and some servers take their time.
    kill(process.processIdentifier, SIGKILL)
    for await _ in ended {}
    return try result.get()
  }

  /// Runs it to its end and returns what it wrote.
  func output(_ arguments: [String]) async throws -> String {
    let process = process(arguments)
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let (text, continuation) = AsyncStream.makeStream(of: Data.self)
    Thread.detachNewThread {
      continuation.yield(pipe.fileHandleForReading.readDataToEndOfFile())
      continuation.finish()
    }
    return await text.reduce(into: "") { $0 += String(decoding: $1, as: UTF8.self) }
  }

  private func process(_ arguments: [String]) -> Process {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.currentDirectoryURL = FileManager.default.temporaryDirectory
    process.standardInput = FileHandle.nullDevice
    return process
  }
}
