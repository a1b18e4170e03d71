/// Why peers could not be met: one sentence that says what happened and what to do.
public struct RendezvousError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What went wrong, for programs.
  public enum Code: Hashable, Sendable {
    /// The meeting place was not reached in time.
    case notJoined
    /// The meeting place does not let us in, or cannot be trusted: trying again soon would not help.
    case notAdmitted
    /// ``Rendezvous/join(timeout:)`` has not succeeded yet, or ``Rendezvous/leave()`` was called.
    case notRunning
    /// The local port is taken by another program.
    case portTaken
    /// The node could not be started.
    case cannotStart
    /// A key or certificate is not usable for sealing.
    case unusableKey
    /// The peer did not answer in time.
    case unanswered
    /// An identity is not named by an email address, so that no mail reaches it.
    case unusableAddress
    /// The mail server does not take a message.
    case rejected
    /// The state folder or the file in it cannot be used.
    case stateUnusable
  }

  /// What went wrong, for programs.
  public var code: Code
  /// What went wrong and what to do, for people.
  public var description: String

  /// Joins a code and its sentence.
  public init(_ code: Code, _ description: String) {
    self.code = code
    self.description = description
  }
}
