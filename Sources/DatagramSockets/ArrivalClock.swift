import Datagrams

/// Says to a core what time it is, so that datagrams which came in time count although they are read late.
///
/// On a machine without a core to spare, seconds may pass between the arrival of an answer and the turn of the task that reads it. A core
/// that is then told the present time first finds its deadlines passed, and takes for silence what waits to be read. So
/// no deadline passes while there are datagrams: only once a wait has ended without one, or after too many.
package struct ArrivalClock: Sendable {
  /// A flood must not keep a core from its deadlines. Sixteen are more than all answers to one exploration of a server.
  private static let lateAtMost = 16

  private var late = 0
  private var told = Instant(nanoseconds: .min)

  package init() {}

  /// The time to give to a core after a wait: the clock's, or, if a datagram came, the last moment before the core's next timeout.
  package mutating func now(
    hasDatagram: Bool, before timeout: Instant?, clock: Instant = MonotonicClock.now
  ) -> Instant {
    if hasDatagram, let timeout, clock >= timeout, late < Self.lateAtMost {
      late += 1
      // Never back: what the core was told before may be later than that.
      told = max(told, timeout.advanced(by: .nanoseconds(-1)))
    } else {
      late = 0
      told = max(told, clock)
    }
    return told
  }
}
