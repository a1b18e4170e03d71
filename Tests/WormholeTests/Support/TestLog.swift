import Logging
import Synchronization

/// Keeps what is logged.
final class TestLog: Sendable {
  private let kept = Mutex<[(Logger.Level, String)]>([])

  var logger: Logger { Logger(label: "test") { _ in Handler(log: self) } }

  /// The sentences of a level and above.
  func sentences(from level: Logger.Level = .info) -> [String] {
    kept.withLock { $0.filter { $0.0 >= level }.map(\.1) }
  }

  func contains(_ part: String) -> Bool { sentences(from: .trace).contains { $0.contains(part) } }

  private struct Handler: LogHandler {
    let log: TestLog
    var logLevel = Logger.Level.trace
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      log.kept.withLock { $0.append((event.level, "\(event.message)")) }
    }
  }
}
