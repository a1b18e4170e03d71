/// Why a wormhole could not be opened, or ended: one sentence that says what to do.
public struct WormholeError: Error, Sendable, CustomStringConvertible {
  /// What went wrong, for programs.
  public enum Code: Sendable {
    /// A local address could not be listened on.
    case notListening
    /// The far end refuses, or does not answer; it may later.
    case farEndUnreachable
    /// There is no use in trying again, such as a local port that is taken.
    case tunnelImpossible
    /// The tunnel broke.
    case tunnelLost
    /// The far end does what no wormhole does.
    case protocolViolation
  }

  /// What went wrong, for programs.
  public var code: Code
  /// What went wrong and what to do, for people.
  public var description: String

  /// An error of a kind with its sentence.
  public init(_ code: Code, _ description: String) {
    self.code = code
    self.description = description
  }
}
