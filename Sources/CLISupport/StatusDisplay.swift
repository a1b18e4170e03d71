import Logging
import Wormhole

/// Shows what a wormhole does: in the last line of a terminal every second, else as a line of the log every ten seconds, as long as
/// something happens.
public struct StatusDisplay: Sendable {
  private let console: ConsoleLog
  private let logger: Logger

  /// A display on the console of a log.
  public init(console: ConsoleLog, logger: Logger) { (self.console, self.logger) = (console, logger) }

  /// Shows what `status` says until the task is cancelled.
  public func show(_ status: @Sendable () -> WormholeStatus) async throws {
    defer { console.setStatus(nil) }
    var last = status()
    while true {
      try await Task.sleep(for: .seconds(console.isTerminal ? 1 : 10))
      let now = status()
      if console.isTerminal {
        console.setStatus(Self.line(now, since: last))
      } else if now.received != last.received || now.sent != last.sent || now.streams != last.streams {
        logger.info("\(Self.line(now, since: last))", metadata: ["event": "wormhole.status"])
      }
      last = now
    }
  }

  static func line(_ status: WormholeStatus, since last: WormholeStatus) -> String {
    let rates = status.rates(since: last)
    let peers = status.tunnels == 1 ? "1 peer" : "\(status.tunnels) peers"
    let streams = status.streams == 1 ? "1 stream" : "\(status.streams) streams"
    return "\(peers), \(streams) (\(status.streamsEver) so far), "
      + "in \(amount(Double(status.received), "B")) at \(amount(rates.received * 8, "bit/s")), "
      + "out \(amount(Double(status.sent), "B")) at \(amount(rates.sent * 8, "bit/s"))"
  }

  /// Three digits and a prefix.
  static func amount(_ value: Double, _ unit: String) -> String {
    var (value, prefix) = (value, "")
    for next in ["k", "M", "G", "T"] where value >= 999.5 { (value, prefix) = (value / 1000, next) }
    let digits = prefix.isEmpty || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
    var scaled = value
    for _ in 0..<digits { scaled *= 10 }
    let text = "\(Int(scaled.rounded()))"
    guard digits > 0 else { return "\(text) \(prefix)\(unit)" }
    return "\(text.dropLast(digits)).\(text.suffix(digits)) \(prefix)\(unit)"
  }
}
