/// How much the other end may still send on one stream, in offsets of the stream.
struct ReceiveWindow: Hashable, Sendable {
  /// What has come.
  private(set) var received: UInt64 = 0
  /// What has left for the local side.
  private(set) var delivered: UInt64 = 0
  /// The other end may send below this; .max where the wire has no windows.
  private(set) var limit: UInt64
  /// How large the window would be if memory were free.
  private(set) var wanted: UInt64
  /// The limit when the window grew last: who was stopped before that learns of the growth by itself.
  private var grownAt: UInt64
  /// Nothing more will come.
  private(set) var isEnded = false

  private let limits: SessionLimits

  /// A window on a wire that has them, or else none.
  init(limits: SessionLimits, isNegotiated: Bool) {
    self.limits = limits
    limit = isNegotiated ? UInt64(limits.initialWindow) : .max
    wanted = UInt64(limits.firstWindow)
    // The first grant is always on its way.
    grownAt = UInt64(limits.initialWindow)
  }

  /// Bytes that came and have not left.
  var held: Int { Int(clamping: received - delivered) }

  /// Bytes that the other end can make us hold: those and what it was granted.
  var promised: Int { isEnded || limit == .max ? held : Int(clamping: limit - delivered) }

  /// Takes note of bytes that came; false when they exceed what was granted.
  mutating func receive(_ count: Int) -> Bool {
    guard !isEnded, UInt64(count) <= limit - received else { return false }
    received += UInt64(count)
    return true
  }

  /// Takes note of bytes that left.
  mutating func deliver(_ count: Int) { delivered = min(received, delivered + UInt64(clamping: count)) }

  /// Takes note of the end.
  mutating func end() { isEnded = true }

  /// The other end could not go on at `stoppedAt`. If it was not our reader that was slow, the window is too small for the path.
  mutating func grow(stoppedAt: UInt64) {
    guard limit != .max, stoppedAt > grownAt, stoppedAt <= limit, held <= Int(clamping: wanted / 2) else { return }
    wanted = min(wanted * 2, UInt64(limits.largestWindow))
    grownAt = limit
  }

  /// The next limit, if it is worth a message.
  ///
  /// - Parameters:
  ///   - free: bytes that may be promised beyond the initial windows.
  ///   - share: what a stream gets where memory is short.
  mutating func grant(free: Int, share: Int) -> UInt64? {
    guard limit != .max, !isEnded else { return nil }
    let floor = UInt64(limits.initialWindow)
    let isShort = free < limits.windows / 4
    let target = isShort ? min(wanted, max(floor, UInt64(clamping: share))) : wanted
    let open = limit - delivered
    guard target > open else { return nil }
    let missing = target - open
    // A quarter at a time: rarer and the sender runs dry, more often and the messages cost more than they bring.
    guard missing >= target / 4 || open <= floor / 2 else { return nil }
    let granted = min(missing, max(UInt64(clamping: free), floor > open ? floor - open : 0))
    guard granted >= floor / 4 else { return nil }
    limit += granted
    return limit
  }
}
