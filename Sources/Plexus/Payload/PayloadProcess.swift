import CProcess
import LibC
import PortMapping
import Synchronization

/// A payload program that was started.
public struct PayloadProcess: Sendable {
  /// Its process id, which is its session's and process group's, too.
  public let processID: pid_t
  /// The router's forwarding of the port that the program took over.
  var leases: [PortLease] = []

  /// Until it executes its program, a child holds copies of all our descriptors. One start at a time makes sure that none
  /// still holds the port of a passage that was closed for the next.
  private static let oneAtATime = Mutex(())

  static func spawn(
    command: String, arguments: [String], workingDirectory: String?, log: String?, environment: [String]
  ) throws(PlexusError) -> PayloadProcess {
    func failure(_ problem: String, _ code: Int32, advice: String) -> PlexusError {
      PlexusError(.payloadNotStarted, "\(problem): \(String(cString: strerror(code)))", advice: advice)
    }
    if let workingDirectory, access(workingDirectory, X_OK) != 0 {
      throw failure("the payload cannot start in \(workingDirectory)", errno, advice: "mend --exec-pwd")
    }
    var logDescriptor: Int32 = -1
    if let log {
      // 0600: a payload may print secrets.
      logDescriptor = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
      guard logDescriptor >= 0 else {
        throw failure("the payload's output cannot be written to \(log)", errno, advice: "mend --exec-log")
      }
    }
    defer { if logDescriptor >= 0 { _ = close(logDescriptor) } }

    var processID: pid_t = 0
    let result = withCStrings([command] + arguments) { argv in
      withCStrings(mergedEnvironment(environment)) { envp in
        oneAtATime.withLock { _ in
          plexus_spawn_detached(&processID, command, argv, envp, workingDirectory, logDescriptor)
        }
      }
    }
    guard result == 0 else {
      throw failure("the payload \(command) cannot be started", result, advice: "mend --exec-command")
    }
    return PayloadProcess(processID: processID)
  }

  /// Waits for the program's end and gives its exit status, or 128 and the signal that ended it. Its port is forwarded no more then.
  ///
  /// - Throws: `CancellationError` when the task is cancelled; the program goes on.
  public func exitStatus() async throws -> Int32 {
    let status = try await waitForExit()
    for lease in leases { await lease.end() }
    return status
  }

  /// The own environment with `additions` in place of variables of the same names.
  private static func mergedEnvironment(_ additions: [String]) -> [String] {
    func name(_ variable: String) -> Substring { variable.prefix { $0 != "=" } }
    let replaced = Set(additions.map(name))
    return environmentVariables().filter { !replaced.contains(name($0)) } + additions
  }

  private static func withCStrings<Result>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
  ) -> Result {
    let copies = strings.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    return body(copies + [nil])
  }
}
