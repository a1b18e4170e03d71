import Glibc

/// A payload program that was started.
public struct PayloadProcess: Sendable {
  /// Its process id, which is its session's and process group's, too.
  public let processID: pid_t

  /// Waits for the program's end and gives its exit status, or 128 and the signal that ended it.
  ///
  /// - Throws: `CancellationError` when the task is cancelled; the program goes on.
  public func exitStatus() async throws -> Int32 {
    try await ChildReaper.shared.exitStatus(of: processID)
  }

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

    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    if logDescriptor >= 0 {
      posix_spawn_file_actions_adddup2(&actions, logDescriptor, STDOUT_FILENO)
      posix_spawn_file_actions_adddup2(&actions, logDescriptor, STDERR_FILENO)
    }
    // Not every library opens its sockets close-on-exec.
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1)
    if let workingDirectory { posix_spawn_file_actions_addchdir_np(&actions, workingDirectory) }

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // Signals that we ignore or block would stay so in the payload, which expects none of that.
    var all = sigset_t()
    var none = sigset_t()
    sigfillset(&all)
    sigemptyset(&none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setsigmask(&attributes, &none)
    let flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | Int32(POSIX_SPAWN_SETSID)
    posix_spawnattr_setflags(&attributes, Int16(truncatingIfNeeded: flags))

    var processID: pid_t = 0
    let result = withCStrings([command] + arguments) { argv in
      withCStrings(mergedEnvironment(environment)) { envp in
        posix_spawnp(&processID, command, &actions, &attributes, argv, envp)
      }
    }
    guard result == 0 else {
      throw failure("the payload \(command) cannot be started", result, advice: "mend --exec-command")
    }
    return PayloadProcess(processID: processID)
  }

  /// The own environment with `additions` in place of variables of the same names.
  private static func mergedEnvironment(_ additions: [String]) -> [String] {
    func name(_ variable: String) -> Substring { variable.prefix { $0 != "=" } }
    let replaced = Set(additions.map(name))
    var inherited: [String] = []
    var next = environ
    while let variable = next.pointee {
      inherited.append(String(cString: variable))
      next += 1
    }
    return inherited.filter { !replaced.contains(name($0)) } + additions
  }

  private static func withCStrings<Result>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
  ) -> Result {
    let copies = strings.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    return body(copies + [nil])
  }
}
