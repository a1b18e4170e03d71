import LibC

/// A failure as a command line shows it: one sentence on standard error and an exit status of `sysexits.h`.
public struct CommandFailure: Error, Sendable, CustomStringConvertible {
  /// Exit statuses, after `sysexits.h`, so that scripts can tell what to mend.
  public enum Status: Int32, Sendable {
    /// An option or its value is wrong.
    case usage = 64
    /// A file is missing or cannot be read.
    case noInput = 66
    /// A host, server or peer did not answer, or the network does not let us through.
    case unavailable = 69
    /// Anything else that the operating system refused.
    case system = 71
    /// A file cannot be written.
    case cannotCreate = 73
    /// An identity or a configuration file is there but unusable.
    case configuration = 78
    /// SIGHUP, a closed terminal: 128 and the signal's number.
    case hungUp = 129
    /// Ctrl-C: 128 and the signal's number, as shells tell it.
    case interrupted = 130
    /// SIGTERM: 128 and the signal's number.
    case terminated = 143
  }

  /// What the process exits with.
  public var status: Status
  /// What happened, to whom, and what to do next.
  public var description: String

  /// A sentence with an exit status.
  public init(_ status: Status, _ description: String) {
    self.status = status
    self.description = description
  }
}

/// Writes one line to standard error, whatever is inside `text`.
public func writeLineToStandardError(_ text: String) {
  var rest = Array((fitForATerminal(text) + "\n").utf8)[...]
  while !rest.isEmpty {
    let written = rest.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    if written < 0, errno == EINTR { continue }
    guard written > 0 else { return }
    rest = rest.dropFirst(written)
  }
}

/// `text` as one line that a terminal shows and does not obey: a file's name may hold any control character.
func fitForATerminal(_ text: String) -> String {
  var line = ""
  for scalar in text.split(whereSeparator: \.isNewline).joined(separator: " ").unicodeScalars {
    line += scalar.properties.generalCategory == .control ? scalar.escaped(asASCII: true) : String(scalar)
  }
  return line
}
