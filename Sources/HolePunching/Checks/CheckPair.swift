import Datagrams

/// A socket of ours on which checks run.
public struct CheckBase: Hashable, Sendable {
  /// What it is there for.
  public enum Purpose: Hashable, Sendable {
    /// Checks with all candidates of the peer.
    case general
    /// It has sent nothing yet, so that its first datagram, to the peer, gets the public port that was predicted.
    case reserved
    /// It has sent nothing but to STUN servers, so that its public port is clean, and is what ports of a symmetric peer are searched from; see
    /// ``Candidate/Kind/quiet``.
    case quiet
  }

  /// Where it is bound.
  public var local: Endpoint
  /// What it is there for.
  public var purpose: Purpose

  /// A socket bound to an endpoint.
  public init(_ local: Endpoint, purpose: Purpose = .general) { (self.local, self.purpose) = (local, purpose) }
}

/// A socket of ours and an endpoint of the peer: a path that may work (RFC 8445 6.1.2).
struct CheckPair: Sendable {
  struct Key: Hashable {
    let base: Int
    let remote: Endpoint
  }

  let base: Int
  let remote: Candidate
  let priority: UInt64
  /// When it is checked next.
  var next: Instant
  private(set) var gap = PathTiming.firstGap
  private(set) var sent = 0
  /// The shortest time from a check to its answer; nil as long as there is none.
  private(set) var roundTrip: Duration?
  /// Our endpoint as the peer sees it on this path.
  private(set) var mapped: Endpoint?
  /// Whether a choice of this path was not answered in time.
  var hasFailed = false

  var key: Key { Key(base: base, remote: remote.endpoint) }
  /// Whether a check was answered: datagrams pass both ways.
  var isValid: Bool { roundTrip != nil }

  /// - Parameter local: the priority of our side of the pair.
  init(base: Int, remote: Candidate, local: UInt32, role: PunchRole, now: Instant) {
    (self.base, self.remote) = (base, remote)
    priority = Self.priority(
      inviter: role == .inviting ? local : remote.priority, acceptor: role == .inviting ? remote.priority : local)
    next = now
  }

  /// RFC 8445 6.1.2.3, the inviter being the controlling side.
  static func priority(inviter: UInt32, acceptor: UInt32) -> UInt64 {
    UInt64(min(inviter, acceptor)) << 32 + UInt64(max(inviter, acceptor)) * 2 + (inviter > acceptor ? 1 : 0)
  }

  mutating func noteSent(now: Instant) {
    sent += 1
    next = now.advanced(by: gap)
    gap = min(gap * 2, PathTiming.longestGap)
  }

  /// Checks it soon, and often again: the peer is there.
  mutating func hurry(now: Instant) {
    guard !isValid, gap > PathTiming.firstGap * 2 else { return }
    gap = PathTiming.firstGap
    next = min(next, now)
  }

  mutating func noteAnswer(roundTrip measured: Duration, mapped: Endpoint) {
    roundTrip = min(roundTrip ?? measured, measured)
    self.mapped = mapped
  }
}
