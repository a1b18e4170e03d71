import Identity

/// Chooses the numbers of invites: the reference takes one from a peer only if it is above the last, and Unix seconds there.
///
/// All invites to one acceptor lie under one key, where a number can be taken only once. So that inviters of the same second
/// do not collide, each adds up to a minute that depends on who invites whom: from one peer the numbers still grow with time.
struct InviteIDs {
  /// Below the minute that somebody needs to start another tool in the place of this one.
  static let spread: UInt64 = 60

  private var last: [CertificateID: UInt64] = [:]

  /// A number for an invite from `own` to `peer`, above all before it.
  mutating func next(from own: CertificateID, to peer: CertificateID, now: UInt64) -> UInt64 {
    let mix = zip(own.bytes, peer.bytes).reduce(UInt64(5381)) { sum, pair in
      (sum &* 33 &+ UInt64(pair.0)) &* 33 &+ UInt64(pair.1)
    }
    let wanted = now &+ mix % Self.spread
    let id = max(wanted, last[peer].map { $0 &+ 1 } ?? 0)
    last[peer] = id
    return id
  }

  /// Notes that an invite to `peer` went under a later number, too.
  mutating func note(_ id: UInt64, to peer: CertificateID) {
    last[peer] = max(id, last[peer] ?? 0)
  }

  /// What an acceptor takes: clocks may differ by ten minutes, an invite may wait for a minute and be numbered a minute ahead.
  /// Replays are known by their puzzles, not by their number, so the window only keeps out what is surely old.
  static func isInWindow(_ id: UInt64, now: UInt64) -> Bool {
    let window: UInt64 = 15 * 60
    return id > now ? id - now <= window : now - id <= window
  }
}
