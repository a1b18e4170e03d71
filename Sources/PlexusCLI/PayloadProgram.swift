import CLISupport
import LibC

/// Looks for the program of `--exec-command` as its start will, so that nobody is invited for a program that is not there.
enum PayloadProgram {
  /// What depends on the passage, or on a folder that does, is left to the start.
  ///
  /// - Parameters:
  ///   - folder: where it will be started; nil for here.
  ///   - path: the environment's PATH.
  /// - Throws: ``CommandFailure`` (`noInput`).
  static func check(_ command: String, in folder: String?, path: String?) throws(CommandFailure) {
    guard !command.contains("%") else { return }
    if command.contains("/") {
      guard folder == nil || command.hasPrefix("/"), let problem = problem(of: command) else { return }
      throw failure(command, problem)
    }
    // What posix_spawnp(3) takes without PATH; an empty part is the current folder.
    let folders = (path ?? "/bin:/usr/bin").split(separator: ":", omittingEmptySubsequences: false)
      .map { $0.isEmpty ? "." : String($0) }
    guard folder == nil || folders.allSatisfy({ $0.hasPrefix("/") }) else { return }
    guard !folders.contains(where: { problem(of: "\($0)/\(command)") == nil }) else { return }
    throw failure(command, "no folder of PATH has such a program")
  }

  private static func failure(_ command: String, _ problem: String) -> CommandFailure {
    CommandFailure(.noInput, "the payload \(command) cannot be started: \(problem); mend --exec-command")
  }

  /// Why a file cannot be run; nil if it can.
  private static func problem(of file: String) -> String? {
    var status = stat()
    guard stat(file, &status) == 0 else { return String(cString: strerror(errno)) }
    guard status.st_mode & S_IFMT == S_IFREG else { return "it is no file" }
    return access(file, X_OK) == 0 ? nil : String(cString: strerror(errno))
  }
}
