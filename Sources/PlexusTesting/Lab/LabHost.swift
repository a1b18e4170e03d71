import FoundationEssentials
import LibC
import Subprocess

extension Lab {
  /// A machine of the lab.
  public struct Host: Sendable {
    /// The name of its network namespace.
    public let namespace: String
    /// A folder for its files, where its programs start; it goes with the lab.
    public let directory: String
    /// The number of its site; nil on the public side.
    public let site: Int?
    /// Its own IPv4 address, as it sees it; that of IPv6 where it has no other.
    public let address: String
    /// Its IPv6 address, if it has one.
    public let addressV6: String?
    /// Whether it has an IPv4 address.
    public var hasIPv4: Bool { address != addressV6 }

    /// The processes that run on it now, payloads that nobody waits for included.
    public var processIdentifiers: [Int32] {
      var status = stat()
      guard stat("/run/netns/\(namespace)", &status) == 0,
        let entries = try? FileManager.default.contentsOfDirectory(atPath: "/proc")
      else { return [] }
      return entries.compactMap { Int32($0) }.filter { process in
        // A process that is only waiting to be reaped has no namespace any more.
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/ns/net"))
          == "net:[\(status.st_ino)]"
      }
    }

    /// Runs a program to its end.
    ///
    /// - Parameters:
    ///   - program: A name that ``Lab/findProgram(_:)`` finds, or a path.
    ///   - arguments: Its arguments, without its name.
    ///   - deadline: The longest time to wait; then the program is ended.
    /// - Throws: ``LabError`` if it cannot be found, or is not done in time.
    public func run(
      _ program: String, _ arguments: String..., deadline: Duration = .seconds(30)
    ) async throws -> ProgramResult {
      try await run(program, arguments: arguments, deadline: deadline)
    }

    /// Runs a program to its end; see ``run(_:_:deadline:)``.
    public func run(
      _ program: String, arguments: [String], deadline: Duration = .seconds(30)
    ) async throws -> ProgramResult {
      try await withProcess(program, arguments: arguments) { process in
        let exit = try await process.waitForExit(deadline: deadline)
        return ProgramResult(exit: exit, output: process.output, errors: process.errors)
      }
    }

    /// Runs a program while `body` runs; then asks it to end (SIGTERM), and soon after that makes it (SIGKILL).
    @discardableResult
    public func withProcess<Value: Sendable>(
      _ program: String, _ arguments: String..., isolation: isolated (any Actor)? = #isolation,
      _ body: (RunningProgram) async throws -> Value
    ) async throws -> Value {
      try await withProcess(program, arguments: arguments, body)
    }

    /// Runs a program while `body` runs; see ``withProcess(_:_:isolation:_:)``.
    @discardableResult
    public func withProcess<Value: Sendable>(
      _ program: String, arguments: [String], isolation: isolated (any Actor)? = #isolation,
      _ body: (RunningProgram) async throws -> Value
    ) async throws -> Value {
      guard let path = Lab.findProgram(program), let ip = Lab.findProgram("ip") else {
        throw LabError(
          .unavailable, "there is no program \(program) in \(Lab.binaryDirectory) nor in PATH; build or install it")
      }
      let configuration = Configuration(
        executable: .path(.init(ip)), arguments: Arguments(["netns", "exec", namespace, path] + arguments),
        // A host knows no DHT nodes of earlier labs, nor those of the machine's user, and leaves none of its memories there.
        environment: .inherit.updating([
          "XDG_CACHE_HOME": "\(directory)/cache", "XDG_STATE_HOME": "\(directory)/state",
        ]),
        workingDirectory: .init(directory), platformOptions: Lab.programOptions)
      return try await Lab.run(configuration, program, body)
    }
  }

  /// Runs a program on this machine itself while `body` runs; then asks it to end, and soon after that makes it. It gets none of our descriptors, as a child
  /// of Foundation's `Process` may: others that wait for the end of a pipe would wait for the program.
  @discardableResult
  public static func withProgram<Value: Sendable>(
    _ path: String, arguments: [String], environment: [String: String], isolation: isolated (any Actor)? = #isolation,
    _ body: (RunningProgram) async throws -> Value
  ) async throws -> Value {
    let variables = environment.map { (Environment.Key(stringLiteral: $0.key), $0.value) }
    let configuration = Configuration(
      executable: .path(.init(path)), arguments: Arguments(arguments),
      environment: .custom(Dictionary(uniqueKeysWithValues: variables)), platformOptions: programOptions)
    return try await run(configuration, path, body)
  }

  private static var programOptions: PlatformOptions {
    var options = PlatformOptions()
    // A group of its own, so that the teardown reaches the children too; a payload has a session of its own and stays.
    options.processGroupID = 0
    // Three seconds are longer than any program here should need to end cleanly.
    options.teardownSequence = [
      .send(signal: .terminate, toProcessGroup: true, allowedDurationToNextStep: .seconds(3))
    ]
    return options
  }

  private static func run<Value: Sendable>(
    _ configuration: Configuration, _ program: String, isolation: isolated (any Actor)? = #isolation,
    _ body: (RunningProgram) async throws -> Value
  ) async throws -> Value {
    let record = ProgramRecord()
    let name = program.split(separator: "/").last.map(String.init) ?? program
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await record.follow(configuration) }
      let value: Value
      do {
        value = try await body(RunningProgram(name: name, record: record))
      } catch {
        group.cancelAll()
        // What the program's end throws now follows from the cancellation; what the body threw came first.
        while await group.nextResult() != nil {}
        throw error
      }
      group.cancelAll()
      while await group.nextResult() != nil {}
      return value
    }
  }
}
