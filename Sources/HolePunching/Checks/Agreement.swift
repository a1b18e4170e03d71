import Datagrams

/// How both sides come to use the same path, whatever gets lost.
///
/// The inviter tells its choice until it is answered; then both have it, and the acceptor needs only to know that the inviter knows: the inviter tells
/// that until it is acknowledged, a bounded number of times. An acceptor that misses all of them takes the silence that follows for it.
/// A choice that is not answered in time is replaced by another of a higher number; the acceptor follows the highest.
///
///     inviter                         acceptor
///        │  request, choice 1  ───────▶  │  takes the path
///        │  ◀──────────────────  answer  │
///        │  begin 1  ─────────────────▶  │  ends, and says so three times
///        │  ◀─────────────────  begin 1  │
///      ends
struct Agreement: Sendable {
  struct Path: Hashable, Sendable {
    let index: Int
    let roundTrip: Duration
  }

  enum Step {
    case nothing
    case nominate(index: Int, number: UInt32)
    case giveUp(index: Int)
    case begin
    case finish(FoundPath.Conclusion)
  }

  enum Reaction { case nothing, acknowledge, finish }

  /// The path, by its index in the inviter's list, or as the acceptor was told it.
  enum Agreed: Sendable {
    case own(Int)
    case peers(CheckPair.Key)
  }

  private enum Phase: Sendable {
    /// No path works yet, or, until an instant, a better one is waited for.
    case looking(graceEnds: Instant?)
    case nominating(Int, repeats: RepeatSchedule, patienceEnds: Instant)
    case telling(Int, RepeatSchedule)
    case taken(CheckPair.Key, latestSign: Instant)
  }

  private let role: PunchRole
  private var phase = Phase.looking(graceEnds: nil)
  /// The number of the present choice.
  private(set) var number: UInt32?
  private var latestNumber: UInt32 = 0

  init(role: PunchRole) { self.role = role }

  var agreed: Agreed? {
    switch phase {
    case .looking: nil
    case .nominating(let index, _, _), .telling(let index, _): .own(index)
    case .taken(let key, _): .peers(key)
    }
  }

  /// Whether both sides have the same path.
  var isSettled: Bool {
    switch phase {
    case .looking, .nominating: false
    case .telling, .taken: true
    }
  }

  /// When ``takeDue(now:)`` has something to do.
  var next: Instant? {
    switch phase {
    case .looking(let graceEnds): graceEnds
    case .nominating(_, let repeats, let patienceEnds): min(repeats.next ?? patienceEnds, patienceEnds)
    case .telling(_, let repeats): repeats.next
    case .taken(_, let latestSign): latestSign.advanced(by: PathTiming.silence)
    }
  }

  /// When success is certain unless the peer is heard before; holds off giving up.
  var expectedEnd: Instant? {
    switch phase {
    case .looking: nil
    case .nominating(_, _, let patienceEnds): patienceEnds
    case .telling: .distantFuture
    case .taken(_, let latestSign): latestSign.advanced(by: PathTiming.silence)
    }
  }

  /// The inviter's best path so far.
  mutating func consider(_ path: Path, mayImprove: Bool, now: Instant) {
    guard case .looking(let graceEnds) = phase else { return }
    let end = mayImprove ? graceEnds ?? now.advanced(by: PathTiming.grace(roundTrip: path.roundTrip)) : now
    phase = .looking(graceEnds: end)
    guard end <= now else { return }
    latestNumber += 1
    number = latestNumber
    phase = .nominating(
      path.index, repeats: RepeatSchedule(startingAt: now, longestGap: PathTiming.longestNominationGap),
      patienceEnds: now.advanced(by: PathTiming.nominationPatience + path.roundTrip * 2))
    isNew = true
  }

  /// Whether the present choice was not told yet.
  private var isNew = false

  mutating func takeDue(now: Instant) -> Step {
    switch phase {
    case .looking: return .nothing
    case .nominating(let index, var repeats, let patienceEnds):
      if patienceEnds <= now {
        phase = .looking(graceEnds: now)
        return .giveUp(index: index)
      }
      let isDue = repeats.takeDue(now: now)
      guard isDue || isNew, let number else { return .nothing }
      isNew = false
      phase = .nominating(index, repeats: repeats, patienceEnds: patienceEnds)
      return .nominate(index: index, number: number)
    case .telling(let index, var repeats):
      guard repeats.takeDue(now: now) else { return .nothing }
      phase = .telling(index, repeats)
      // The last repeat marks the end of the wait for an acknowledgement.
      return repeats.next == nil ? .finish(.told) : .begin
    case .taken(_, let latestSign):
      return latestSign.advanced(by: PathTiming.silence) <= now ? .finish(.silence) : .nothing
    }
  }

  /// The acceptor was told a choice; whether it takes it, or has.
  mutating func takeNomination(_ number: UInt32, base: Int, remote: Endpoint, now: Instant) -> Bool {
    guard role == .accepting, number >= latestNumber, number > 0 else { return false }
    let key = CheckPair.Key(base: base, remote: remote)
    // The same choice from elsewhere is a copy, sent by somebody who saw it.
    if number == latestNumber, case .taken(let taken, _) = phase, taken != key { return false }
    (latestNumber, self.number) = (number, number)
    phase = .taken(key, latestSign: now)
    return true
  }

  /// The inviter's choice was answered; whether it is the present one, and the acceptor is to be told.
  mutating func takeAnswer(_ number: UInt32, now: Instant) -> Bool {
    guard case .nominating(let index, _, _) = phase, number == self.number else { return false }
    phase = .telling(
      index,
      RepeatSchedule(
        startingAt: now, longestGap: PathTiming.longestNominationGap, repeats: PathTiming.beginRepeats + 1))
    return true
  }

  mutating func takeBegin(_ number: UInt32) -> Reaction {
    guard number == self.number else { return .nothing }
    switch phase {
    case .looking, .nominating: return .nothing
    case .telling: return .finish
    case .taken: return .acknowledge
    }
  }

  mutating func noteSign(now: Instant) {
    if case .taken(let key, _) = phase { phase = .taken(key, latestSign: now) }
  }
}
