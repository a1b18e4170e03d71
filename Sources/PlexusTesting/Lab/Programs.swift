import FoundationEssentials

extension Lab {
  /// Where the programs under test are: the folder of environment variable `PLEXUS_BIN_DIR`, or else that of the running
  /// executable, which is where SwiftPM also puts the package's other products.
  public static let binaryDirectory: String = {
    if let chosen = ProcessInfo.processInfo.environment["PLEXUS_BIN_DIR"], !chosen.isEmpty { return chosen }
    let executable = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return String(executable[..<(executable.lastIndex(of: "/") ?? executable.startIndex)])
  }()

  /// Where Debian keeps the network tools, which is not in the PATH of everybody.
  private static let systemFolders = ["/usr/sbin", "/sbin"]

  /// A line of shell after which a script finds what ``findProgram(_:)`` finds.
  static let shellPath = "PATH=$PATH:\(systemFolders.joined(separator: ":"))"

  /// The path of a program: of one under test, of an installed one, or `name` itself if it has a slash; nil if there is none.
  public static func findProgram(_ name: String) -> String? {
    if name.contains("/") { return name }
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    let folders = [binaryDirectory] + path.split(separator: ":").map(String.init) + systemFolders
    return folders.map { "\($0)/\(name)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
  }
}
