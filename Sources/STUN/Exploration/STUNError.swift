/// Why STUN gave no result: one sentence that says what to do.
public struct STUNError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What went wrong, for programs.
  public enum Code: Hashable, Sendable {
    /// There is nobody to ask.
    case noServer
    /// No server answered in time.
    case noAnswer
    /// The name of a server has no address.
    case unresolvable
  }

  /// What went wrong, for programs.
  public var code: Code
  /// What went wrong and what to do, for people.
  public var description: String
  /// What the system said of a name that has no address.
  package var detail = ""

  static let noServer = STUNError(
    code: .noServer, description: "no STUN server was given; name at least one as host or host:port")

  static func noAnswer(_ reports: [STUNServerReport]) -> STUNError {
    guard !reports.isEmpty else { return noServer }
    let faults = reports.map { "\($0.server) \($0.outcome)" }.joined(separator: "; ")
    return STUNError(
      code: .noAnswer,
      description: "no STUN server told the public address: \(faults); "
        + "check that UDP may leave this network, or use other servers")
  }
}
