import LibC
import Logging
import Synchronization

/// Where log lines go: standard error for people, and a file with everything for later.
///
/// On standard error a line is the seconds since the start, the level if it is not info, and the sentence. In the file it is
/// the time of day (UTC), level, sentence and metadata, the event's name among it.
public final class ConsoleLog: Sendable {
  private let file: Int32?
  private let start: timespec
  /// The line that stays below all others on a terminal. The lock also keeps lines of several threads apart.
  private let status = Mutex<String?>(nil)
  /// Whether a person looks at standard error.
  public let isTerminal = isatty(STDERR_FILENO) == 1

  /// Opens the log.
  ///
  /// - Parameter path: a file to append to; `%p` in it becomes the process id.
  /// - Throws: ``CommandFailure`` when the file cannot be written.
  public init(path: String?) throws(CommandFailure) {
    start = Self.now(CLOCK_MONOTONIC)
    guard let path else {
      file = nil
      return
    }
    let name = path.split(separator: "%p", omittingEmptySubsequences: false).joined(separator: "\(getpid())")
    // 0600: a log names peers and addresses, which are nobody else's business.
    let descriptor = open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw CommandFailure(
        .cannotCreate,
        "cannot write the log file \(name): \(String(cString: strerror(errno))); choose another --log-file")
    }
    file = descriptor
  }

  deinit { if let file { _ = close(file) } }

  /// A logger that writes here.
  public func logger(label: String, level: Logger.Level) -> Logger {
    Logger(label: label) { _ in Handler(log: self, logLevel: level) }
  }

  /// Shows a line below all others, in place of the one before; nil takes it away. Nothing happens where there is no terminal.
  public func setStatus(_ line: String?) {
    guard isTerminal else { return }
    status.withLock { status in
      // Longer than the terminal is wide it would leave a copy behind each time.
      var size = winsize()
      let width = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 1 ? Int(size.ws_col) - 1 : 79
      status = line.map { String($0.prefix(width)) }
      Self.write(Self.clearLine + (status ?? ""), to: STDERR_FILENO)
    }
  }

  /// Back to the first column, and everything behind it erased.
  private static let clearLine = "\r\u{1B}[K"

  private func write(level: Logger.Level, message: String, metadata: Logger.Metadata) {
    let sentence = message.split(whereSeparator: \.isNewline).joined(separator: " ")
    status.withLock { status in
      let line = consoleLine(level: level, sentence: sentence, metadata: metadata)
      Self.write(status.map { "\(Self.clearLine)\(line)\($0)" } ?? line, to: STDERR_FILENO)
      if let file { Self.write(Self.fileLine(level: level, sentence: sentence, metadata: metadata), to: file) }
    }
  }

  private func consoleLine(level: Logger.Level, sentence: String, metadata: Logger.Metadata) -> String {
    let now = Self.now(CLOCK_MONOTONIC)
    let milliseconds = (now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1_000_000
    let seconds = "\(milliseconds / 1000).\(Self.padded(milliseconds % 1000, to: 3))"
    // Details are for those who asked for them.
    let details = level < .info ? Self.text(of: metadata) : ""
    return "\(seconds) \(level == .info ? "" : "\(level): ")\(sentence)\(details)\n"
  }

  private static func fileLine(level: Logger.Level, sentence: String, metadata: Logger.Metadata) -> String {
    var time = now(CLOCK_REALTIME)
    var parts = tm()
    gmtime_r(&time.tv_sec, &parts)
    let date = "\(parts.tm_year + 1900)-\(padded(Int(parts.tm_mon) + 1, to: 2))-\(padded(Int(parts.tm_mday), to: 2))"
    let clock = [parts.tm_hour, parts.tm_min, parts.tm_sec].map { padded(Int($0), to: 2) }.joined(separator: ":")
    return "\(date)T\(clock).\(padded(time.tv_nsec / 1_000_000, to: 3))Z \(level) \(sentence)\(text(of: metadata))\n"
  }

  private static func text(of metadata: Logger.Metadata) -> String {
    metadata.sorted { $0.key < $1.key }.map { key, value in
      let text = "\(value)"
      return text.contains { $0.isWhitespace || $0 == "\"" } ? " \(key)=\(text.debugDescription)" : " \(key)=\(text)"
    }.joined()
  }

  private static func padded(_ number: Int, to digits: Int) -> String {
    let text = "\(number)"
    return String(repeating: "0", count: max(0, digits - text.count)) + text
  }

  private static func now(_ clock: clockid_t) -> timespec {
    var time = timespec()
    clock_gettime(clock, &time)
    return time
  }

  private static func write(_ line: String, to descriptor: Int32) {
    var rest = line.utf8[...]
    while !rest.isEmpty {
      let written = Array(rest).withUnsafeBytes { LibC.write(descriptor, $0.baseAddress, $0.count) }
      if written < 0, errno == EINTR { continue }
      // A full disk or a closed terminal must not stop a passage.
      guard written > 0 else { return }
      rest = rest.dropFirst(written)
    }
  }

  private struct Handler: LogHandler {
    let log: ConsoleLog
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      let merged = event.metadata.map { metadata.merging($0) { $1 } } ?? metadata
      log.write(level: event.level, message: "\(event.message)", metadata: merged)
    }
  }
}

/// The levels of `--log-level`, by the names of the option.
public func logLevel(named name: String) -> Logger.Level? {
  switch name.lowercased() {
  case "fatal": .critical
  case "error": .error
  case "warning": .warning
  case "info": .info
  case "debug": .debug
  case "trace": .trace
  default: nil
  }
}
