import Foundation

/// A program that runs beside the benchmark, ended with it.
final class Program {
  private let process = Process()
  private let output = Pipe()

  init(_ path: String, _ arguments: [String], isQuiet: Bool = true) throws {
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.standardOutput = output
    process.standardError = isQuiet ? FileHandle.nullDevice : FileHandle.standardError
    process.standardInput = FileHandle.nullDevice
    try process.run()
  }

  deinit { end() }

  func end() {
    guard process.isRunning else { return }
    process.terminate()
    process.waitUntilExit()
  }

  /// All it prints, once it has ended.
  func result() -> Data {
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return data
  }

  /// Open descriptors.
  var descriptors: Int {
    (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process.processIdentifier)/fd").count) ?? 0
  }

  /// The most memory it ever had, MB.
  var peakMemory: Double {
    let status = (try? String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
    return (line.split(separator: " ").dropFirst().first.flatMap { Double($0) } ?? 0) / 1000
  }
}

/// Two wormholes with a tunnel between them.
struct Wormholes {
  let exporter: Program
  let importer: Program
  /// Where clients connect.
  let port: Int

  init(_ options: ProgramOptions, service: Int, secret: UInt64 = 0) throws {
    port = options.port + 3
    let (here, there) = ("127.0.0.1:\(options.port)", "127.0.0.1:\(options.port + 1)")
    exporter = try Program(
      options.exporter,
      [
        "--purpose", "export", "--service", "127.0.0.1:\(service)", "--gateway", here, "--faraway", there, "--obscure",
        "\(secret)",
      ])
    importer = try Program(
      options.importer,
      [
        "--purpose", "import", "--service", "127.0.0.1:\(port)", "--gateway", there, "--faraway", here, "--obscure",
        "\(secret)",
      ])
    // Until the tunnel is there and the far end has said what it knows.
    Thread.sleep(forTimeInterval: 1.2)
  }

  func end() {
    importer.end()
    exporter.end()
  }

  var memory: String {
    String(format: "importer %.0f MB, exporter %.0f MB", importer.peakMemory, exporter.peakMemory)
  }
}
