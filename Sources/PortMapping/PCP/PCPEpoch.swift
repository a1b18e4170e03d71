import Datagrams

/// Notices by the seconds that a router counts that it was started anew and has forgotten its mappings (RFC 6887 8.5).
struct PCPEpoch: Sendable {
  private var last: (time: Instant, epoch: UInt32)?

  /// Takes the number of a response.
  ///
  /// - Returns: false if the router has lost its state since the last one.
  mutating func isContinued(_ epoch: UInt32, now: Instant) -> Bool {
    defer { last = (now, epoch) }
    guard let last else { return true }
    let client = last.time.duration(to: now).components.seconds
    let server = Int64(epoch) - Int64(last.epoch)
    // One second back is rounding. Either clock may run faster by a sixteenth, plus two seconds.
    guard server >= -1 else { return false }
    return client + 2 >= server - server / 16 && server + 2 >= client - client / 16
  }
}
