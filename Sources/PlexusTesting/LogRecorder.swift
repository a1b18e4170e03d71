import Logging
import Synchronization

/// Keeps what is logged, so that a test can look at it and wait for it.
///
/// ```swift
/// let log = LogRecorder()
/// let logger = Logger(label: "test") { _ in log }
/// ```
public final class LogRecorder: LogHandler, Sendable {
  private struct Line {
    var text: String
    var event: String
  }

  private let lines = Mutex<[Line]>([])

  /// A recorder without lines, of all levels.
  public init() {}

  /// None is kept: every line has the fields it was logged with.
  public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { nil }
    set {}
  }
  /// Always empty.
  public var metadata: Logger.Metadata {
    get { [:] }
    set {}
  }
  /// The lowest there is, so that a test sees everything.
  public var logLevel: Logger.Level {
    get { .trace }
    set {}
  }

  /// Keeps the line.
  public func log(event: LogEvent) {
    let fields = (event.metadata ?? [:]).map { "\($0.key)=\($0.value)" }.sorted()
    let text = (["\(event.level) \(event.message)"] + fields).joined(separator: " ")
    lines.withLock { $0.append(Line(text: text, event: event.metadata?["event"].map { "\($0)" } ?? "")) }
  }

  /// All lines: the level, the message, and the fields as `name=value` in the order of their names.
  public var text: String { lines.withLock { $0.map(\.text).joined(separator: "\n") } }

  /// The field `event` of all lines, empty for lines without.
  public var events: [String] { lines.withLock { $0.map(\.event) } }

  /// How many lines hold `text`.
  public func count(of text: String) -> Int { lines.withLock { $0.count { $0.text.contains(text) } } }

  /// Returns once a line holds `text`.
  ///
  /// - Throws: ``Missing`` if none does in time.
  public func wait(for text: String, deadline: Duration = .seconds(30)) async throws {
    let end = ContinuousClock.now + deadline
    while count(of: text) == 0 {
      guard ContinuousClock.now < end else { throw Missing(awaited: text, logged: self.text) }
      try await Task.sleep(for: .milliseconds(5))
    }
  }

  /// A line that was not logged in time.
  public struct Missing: Error, CustomStringConvertible {
    let awaited: String
    let logged: String

    /// What was awaited, and what was logged instead.
    public var description: String { "no line with '\(awaited)' was logged, but:\n\(logged)" }
  }
}
