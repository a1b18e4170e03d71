import Datagrams

/// What became of asking one server.
public enum STUNServerOutcome: Hashable, Sendable {
  /// It told the public endpoint; the time from the first request to the answer.
  case answered(roundTrip: Duration)
  /// Nothing came for so long.
  case silent(for: Duration)
  /// It had not answered when the answers of others sufficed.
  case notAwaited
  /// The request could not be sent, for the reason that the system gave.
  case unreachable(String)
  /// It refused with an error response.
  case errorResponse(STUNErrorCode)
  /// What came was no proper answer; the text says what was wrong.
  case nonsense(String)

  /// The kind of outcome, for programs.
  public enum Kind: String, Hashable, Sendable, Codable, CaseIterable {
    /// It told the public endpoint.
    case answered
    /// It said nothing in time.
    case silent
    /// Nothing more was to be learnt from it.
    case notAwaited
    /// It could not be sent to.
    case unreachable
    /// It answered with an error.
    case refused
    /// It answered what is no answer.
    case nonsense
  }

  /// The kind of this outcome.
  public var kind: Kind {
    switch self {
    case .answered: .answered
    case .silent: .silent
    case .notAwaited: .notAwaited
    case .unreachable: .unreachable
    case .errorResponse: .refused
    case .nonsense: .nonsense
    }
  }

  /// Whether the server is to blame or out of reach.
  public var isFailure: Bool {
    switch self {
    case .answered, .notAwaited: false
    case .silent, .unreachable, .errorResponse, .nonsense: true
    }
  }
}

extension STUNServerOutcome: CustomStringConvertible {
  /// What follows the server's name in a sentence: "did not answer within 1.5 s".
  public var description: String {
    switch self {
    case .answered(let roundTrip): "answered after \(roundTrip.inSeconds)"
    case .silent(let duration): "did not answer within \(duration.inSeconds)"
    case .notAwaited: "had not answered yet when others had"
    case .unreachable(let reason): "cannot be reached: \(reason)"
    case .errorResponse(let error):
      "refused with error \(error.code)" + (error.reason.isEmpty ? "" : " (\(error.reason.escapedForDisplay))")
    case .nonsense(let what): "answered nonsense: \(what)"
    }
  }
}

extension Duration {
  /// Seconds to the millisecond, without trailing zeros.
  var inSeconds: String {
    let milliseconds = nanoseconds / 1_000_000
    let fraction = String(1000 + milliseconds % 1000).dropFirst()
    let digits = fraction.reversed().drop { $0 == "0" }.reversed()
    return "\(milliseconds / 1000)\(digits.isEmpty ? "" : "." + String(digits)) s"
  }
}

extension String {
  /// Printable ASCII of a stranger's text, short: it could hold control sequences for the terminal.
  package var escapedForDisplay: String {
    String(unicodeScalars.prefix(80).map { (" "..."~").contains($0) ? Character($0) : "?" })
  }
}
