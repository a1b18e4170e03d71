/// Why a stream was cut, as it is told to the other end and to the log.
public struct CloseReason: Error, Hashable, Sendable, CustomStringConvertible {
  /// What programs look at. The numbers are on the wire.
  public enum Code: UInt16, Sendable, CaseIterable {
    /// The service's machine said that nobody listens on its port.
    case refused = 1
    /// The service could not be reached.
    case unreachable = 2
    /// The exporter has no service of this name and kind.
    case unknownService = 3
    /// The connection was reset.
    case reset = 4
    /// Who was to take the bytes took none while too many came.
    case tooSlow = 5
    /// There are too many streams.
    case busy = 6
    /// Nothing was heard of a datagram flow for a while.
    case idle = 7
    /// More was sent than the window allowed, or after the end.
    case violation = 8
    /// Something that this version knows no name for.
    case other = 9
  }

  /// What programs look at.
  public var code: Code
  /// What happened, for people.
  public var description: String

  /// A reason; `text` is cut to what fits on the wire.
  public init(_ code: Code, _ text: String) {
    self.code = code
    description = Self.cleaned(text)
  }

  /// More than any sentence needs, and little enough for a log line.
  static let textLimit = 256

  /// A peer's text goes into our log: it is cut, and loses its control characters.
  static func cleaned(_ text: String) -> String {
    var cleaned = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      guard cleaned.count < textLimit / 4 * 3 else { break }
      cleaned.append(scalar.properties.generalCategory == .control ? " " : scalar)
    }
    var result = String(cleaned)
    while result.utf8.count > textLimit { result.unicodeScalars.removeLast() }
    return result
  }
}
