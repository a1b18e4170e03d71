/// What can go wrong with a ``Lab`` itself, as opposed to the programs that it runs.
public struct LabError: Error, Hashable, CustomStringConvertible {
  /// The kinds of trouble.
  public enum Code: Hashable, Sendable {
    /// The machine lacks a program or a right; see ``Lab/missing``.
    case unavailable
    /// The lab that was asked for cannot exist.
    case invalidTopology
    /// A command that builds or changes the lab failed.
    case setupFailed
    /// Something did not happen in the time given for it.
    case deadlineExceeded
    /// A program ended, or did not say what was waited for.
    case unexpectedExit
  }

  /// The kind of trouble.
  public let code: Code
  /// One sentence on what happened, to whom, and what to do next.
  public let description: String

  init(_ code: Code, _ description: String) {
    self.code = code
    self.description = description
  }
}
