import Datagrams
import DequeModule

/// Which moves are still to be echoed, and when.
///
/// A single move is echoed at once. Where moves come densely their echoes are gathered for up to a millisecond, an eighth of the
/// round trip at most. Every echo is sent a second time with the next datagram of echoes, where it fits: an echo is the only word of
/// a move's arrival, and one that is lost costs a retransmission of a hundred times its size.
struct EchoQueue {
  private var pending = Deque<UInt64>()
  private var repeats = Deque<UInt64>()
  private var lastArrival: Instant?
  /// When the echoes have to leave; nil while there are none.
  private(set) var deadline: Instant?

  /// So many fit a datagram, twice.
  static let batch = 48
  /// A peer that floods us is not echoed beyond this; its moves count as lost.
  static let capacity = 16_384

  var isEmpty: Bool { pending.isEmpty }
  var count: Int { pending.count }
  var isFull: Bool { pending.count >= Self.capacity }

  /// A move arrived. `isUrgent` where the peer's loss detection should know at once.
  mutating func add(_ offset: UInt64, now: Instant, roundTrip: Nanoseconds, isUrgent: Bool) {
    guard !isFull else { return }
    pending.append(offset)
    let isDense = lastArrival.map { now.since($0) < RTTEstimator.maximumEchoDelay } ?? false
    lastArrival = now
    if isUrgent || !isDense || pending.count >= Self.batch {
      deadline = now
    } else if deadline == nil {
      deadline = now.adding(min(roundTrip / 8, RTTEstimator.maximumEchoDelay))
    }
  }

  /// The next echo for a datagram that has room.
  mutating func next() -> UInt64? { pending.popFirst() }

  /// An echo of the datagram before, to be repeated in the room that is left.
  mutating func nextRepeat() -> UInt64? { repeats.popFirst() }

  /// Takes note of the echoes that a datagram carried for the first time.
  mutating func sent(_ offsets: [UInt64]) {
    repeats = Deque(offsets)
    if pending.isEmpty { deadline = nil }
  }
}
