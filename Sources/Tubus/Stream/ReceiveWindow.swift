import Datagrams

/// How far ahead the peer may send, and how that grows.
///
/// A window below what the application takes in a round trip is what limits the stream. So whenever the application took more than half a
/// window within a round trip, the window doubles, up to its maximum: TCP's dynamic right-sizing.
struct ReceiveWindow {
  /// Bytes that may be under way or unread.
  private(set) var size: UInt64
  private let maximum: UInt64
  /// Bytes that the application has taken.
  private(set) var consumed: UInt64 = 0
  /// The largest edge that was granted: never taken back.
  private(set) var granted: UInt64
  /// The largest edge that the peer has echoed.
  private(set) var echoed: UInt64 = 0
  private var measured: (since: Instant, consumed: UInt64)?

  init(initial: Int, maximum: Int) {
    size = UInt64(initial)
    self.maximum = UInt64(max(initial, maximum))
    granted = size
  }

  /// The application took `bytes`.
  mutating func consume(_ bytes: Int, now: Instant, roundTrip: Nanoseconds) {
    consumed += UInt64(bytes)
    guard let start = measured else {
      measured = (now, consumed)
      return
    }
    guard now.since(start.since) >= roundTrip else { return }
    if (consumed - start.consumed) * 2 > size { size = min(size * 2, maximum) }
    measured = (now, consumed)
  }

  /// Grants more once an eighth of the window can be had (or all of it where the reader is idle), and says whether it did.
  mutating func grant(isIdle: Bool) -> Bool {
    let edge = consumed + size
    guard edge > granted, isIdle || edge - granted >= size / 8 else { return false }
    granted = edge
    return true
  }

  /// Whether the peer has not yet told that it knows the edge.
  var isUnechoed: Bool { echoed < granted }

  /// The peer has seen `edge`.
  mutating func echo(_ edge: UInt64) {
    // More than was granted was never granted.
    if edge <= granted { echoed = max(echoed, edge) }
  }
}
