import NIOCore

/// The streams for which a far end owes its word on whether the service answers, and how long it may be silent meanwhile.
///
/// A far end that is gone takes minutes to be missed where its path may come back; a client is not to wait so long.
struct UnansweredStreams {
  /// How long the tunnel may bring nothing at all.
  let patience: TimeAmount
  /// Since when they wait.
  private var waiting: [UInt32: NIODeadline] = [:]
  private var latestArrival = NIODeadline.uptimeNanoseconds(0)

  init(patience: TimeAmount) { self.patience = patience }

  mutating func add(_ id: UInt32, now: NIODeadline) { waiting[id] = now }

  mutating func remove(_ id: UInt32) { if !waiting.isEmpty { waiting[id] = nil } }

  mutating func removeAll() { waiting = [:] }

  /// The tunnel has brought something. Whoever sends is there, and its answer may stand behind much else on a slow path.
  mutating func tunnelHasBroughtSomething(now: @autoclosure () -> NIODeadline) {
    if !waiting.isEmpty { latestArrival = now() }
  }

  /// Those that have waited long enough, the oldest first.
  func overdue(now: NIODeadline) -> [UInt32] {
    waiting.filter { deadline(since: $0.value) <= now }.keys.sorted()
  }

  /// When to look for the next one; nil while nobody waits.
  var nextDeadline: NIODeadline? { waiting.values.min().map { deadline(since: $0) } }

  private func deadline(since start: NIODeadline) -> NIODeadline { max(start, latestArrival) + patience }
}
