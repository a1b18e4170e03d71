import DequeModule
import NIOCore

/// One stream of a session. Only the session touches it.
final class SessionStream {
  let id: UInt32
  let request: StreamRequest
  /// Whether it has windows, half-close and reasons. Decided when it is opened.
  let isNegotiated: Bool

  /// What waits for the tunnel.
  private(set) var queue = Deque<ByteBuffer>()
  private(set) var queued = 0
  private var sent: UInt64 = 0
  private var sendLimit: UInt64
  private var blockedAt: UInt64?
  /// How far this side's end has got.
  enum Ending { case open, queued, said }
  var ending = Ending.open
  /// It stands in the line for the tunnel.
  var isReady = false
  /// The local side waits to be told that it can write.
  var wantsWritable = false

  var window: ReceiveWindow
  /// It stands in the line for a window message.
  var isWindowDue = false
  /// Over on the wire; only the local side may still have to do.
  var isOver = false
  /// Without a local side; only the queue is still to be sent.
  var isAbandoned = false

  init(id: UInt32, request: StreamRequest, isNegotiated: Bool, sendWindow: UInt32, limits: SessionLimits) {
    self.id = id
    self.request = request
    self.isNegotiated = isNegotiated
    sendLimit = isNegotiated ? UInt64(sendWindow) : .max
    window = ReceiveWindow(limits: limits, isNegotiated: isNegotiated)
  }

  /// How many bytes the other end takes now.
  var credit: Int { Int(clamping: sendLimit - sent) }

  /// Whether the local side should be read from.
  var takesMore: Bool { queued == 0 || (queued < SessionLimits.readAhead && credit > queued) }

  func enqueue(_ bytes: ByteBuffer) {
    queue.append(bytes)
    queued += bytes.readableBytes
  }

  func dropQueue() {
    queue.removeAll()
    queued = 0
  }

  /// Takes up to `count` bytes off the queue and hands them on piece by piece.
  func take(_ count: Int, piece: (ByteBuffer) -> Void) {
    var left = count
    while left > 0, let first = queue.first {
      if first.readableBytes <= left {
        queue.removeFirst()
        left -= first.readableBytes
        piece(first)
      } else if let slice = queue[0].readSlice(length: left) {
        left = 0
        piece(slice)
      }
    }
    queued -= count - left
    sent += UInt64(clamping: count - left)
  }

  /// Raises the limit; a lower one than known says nothing.
  func allow(below limit: UInt64) { if isNegotiated { sendLimit = max(sendLimit, limit) } }

  /// Where the stream is stopped, the first time it is asked there.
  func newlyBlockedAt() -> UInt64? {
    guard blockedAt != sendLimit else { return nil }
    blockedAt = sendLimit
    return sendLimit
  }
}
