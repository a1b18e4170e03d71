/// The program that gets the passage: what to start, with wildcards where the passage's addresses go.
public struct Payload: Sendable {
  /// The arguments that a payload gets when the user names none.
  public static let defaultArguments = "%innerip% %innerport% %outerip% %outerport% %peerip% %peerport%"

  /// The program, looked up in PATH unless it has a slash; wildcards are allowed.
  public var command: String
  /// The arguments, each with its wildcards.
  public var arguments: [String]
  /// The folder that the program starts in, with wildcards; nil for the own one.
  public var workingDirectory: String?
  /// The file that the program's output is appended to, with wildcards; nil leaves it where plexus' own output goes.
  public var log: String?
  /// Variables `KEY=VALUE`, with wildcards, on top of the own environment.
  public var environment: [String]

  /// Reads the texts of the payload options.
  ///
  /// - Parameters:
  ///   - command: the program, by path or by name.
  ///   - arguments: split like a shell does, before wildcards are replaced, so that no value of one becomes two arguments.
  ///   - workingDirectory: where it runs; nil for where this program does.
  ///   - log: the file that its output is added to; nil for where this program's goes.
  ///   - environment: `KEY=VALUE` words, split the same way.
  /// - Throws: ``PlexusError`` (`invalidOption`) when a text cannot be split or a variable has no name.
  public init(
    command: String, arguments: String = Self.defaultArguments, workingDirectory: String? = nil, log: String? = nil,
    environment: String = ""
  ) throws(PlexusError) {
    guard !command.isEmpty else {
      throw PlexusError(.invalidOption, "the payload command is empty", advice: "name the program to run")
    }
    self.command = command
    self.arguments = try shellWords(arguments)
    self.workingDirectory = workingDirectory
    self.log = log
    self.environment = try shellWords(environment)
    for variable in self.environment where variable.firstIndex(of: "=") ?? variable.startIndex == variable.startIndex {
      throw PlexusError(
        .invalidOption, "\"\(variable)\" sets no environment variable", advice: "write KEY=VALUE, several in one text")
    }
  }

  /// Starts the program for a passage whose socket has been closed: detached, in a session of its own, with no standard
  /// input and none of our descriptors. It outlives this process.
  ///
  /// - Returns: the process, whose end can be awaited.
  /// - Throws: ``PlexusError`` (`payloadNotStarted`) when the program, its folder or its log file cannot be had.
  public func start(for passage: PassageDescription) throws(PlexusError) -> PayloadProcess {
    try PayloadProcess.spawn(
      command: passage.expandingWildcards(in: command),
      arguments: arguments.map(passage.expandingWildcards),
      workingDirectory: workingDirectory.map(passage.expandingWildcards),
      log: log.map(passage.expandingWildcards),
      environment: environment.map(passage.expandingWildcards))
  }
}
