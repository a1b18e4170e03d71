import Identity
import Synchronization

/// Chooses the numbers (ids) of invites, so that no two of one identity are the same and each is above those before it.
///
/// The reference takes an invite from a peer only if its number is above the last, and uses Unix seconds. An answer
/// names only the number: two processes of one identity that invite one peer in the same second would take
/// each other's answer, so they share a file.
public final class InviteNumbers: Sendable {
  /// All invites to one acceptor lie under one key of the DHT, where a number can be taken only once. So that inviters of the same
  /// second seldom collide, each adds up to a minute that depends on who invites whom.
  public static let spread: UInt64 = 60

  private let last = Mutex<UInt64>(0)
  private let path: String?

  /// Numbers that only this process knows of.
  public init() { path = nil }

  /// Numbers that all processes of one identity share, by the file `numbers-ID` of `folder` (see ``ReplayMemory``).
  public init(folder: String, own: CertificateID) throws {
    try LockedFile.makeFolder(folder)
    path = "\(folder)/numbers-\(own)"
    _ = try LockedFile("\(folder)/numbers-\(own)")
  }

  /// A number for an invite from `own` to `peer` at `now`, in Unix seconds.
  ///
  /// - Throws: ``RendezvousError`` with code `stateUnusable`.
  public func next(from own: CertificateID, to peer: CertificateID, now: UInt64) throws -> UInt64 {
    // Any function that mixes all bytes will do; it need not be hard to invert.
    let mix = (own.bytes + peer.bytes).reduce(UInt64(5381)) { $0 &* 33 &+ UInt64($1) }
    return try take(atLeast: now &+ mix % Self.spread, now: now)
  }

  /// A number for an invite that nobody has answered, past the present of a reference acceptor whose clock is ahead.
  ///
  /// It is eleven minutes ahead of the clock and not of the first number: where peers are not there and are invited again and again, each
  /// would else be eleven minutes further ahead, until no acceptor took it for a present one.
  ///
  /// - Throws: ``RendezvousError`` with code `stateUnusable`.
  public func later(now: UInt64) throws -> UInt64 { try take(atLeast: now &+ Self.laterBy, now: now) }

  /// Clocks may differ by ten minutes.
  private static let laterBy: UInt64 = 11 * 60

  /// Takes the first number from `wanted` on that was not used.
  public func take(atLeast wanted: UInt64, now: UInt64) throws -> UInt64 {
    // A number from far in the future is of a clock that was wrong, or damage: following it would lock us out everywhere.
    func believed(_ number: UInt64) -> UInt64 { number > now &+ Self.furthestAhead ? 0 : number }
    return try last.withLock { last in
      guard let path else {
        last = max(wanted, believed(last) &+ 1)
        return last
      }
      var file = try LockedFile(path)
      let bytes = try file.read(from: 0, count: 8)
      let stored = bytes.count == 8 ? bytes.reduce(0) { $0 << 8 | UInt64($1) } : 0
      last = max(wanted, max(believed(stored), believed(last)) &+ 1)
      try file.write(withUnsafeBytes(of: last.bigEndian) { Array($0) }, at: 0)
      return last
    }
  }

  /// No number is further ahead of the clock, in seconds: a number is taken for each invite, so whoever makes more than one a second gets ahead.
  public static let furthestAhead: UInt64 = 3600
}
