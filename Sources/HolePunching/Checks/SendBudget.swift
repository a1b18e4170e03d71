import Datagrams
import DequeModule
import Synchronization

/// Keeps what is sent towards one address below a rate, whatever asks for it, over any second.
///
/// The searches for one peer share it, through their ``PathTurns``: a peer that holds many passages, and names one address in all of them, has no more
/// sent there than with one. Those for different peers do not, or one could hold up another.
final class SendBudget: Sendable {
  /// What a datagram is for. What matters less leaves room for the rest, also for that of other searches.
  enum Purpose: Int {
    case guess = 175
    case check = 183
    /// Answers, and what the peers agree by: a path that works is not lost for further checks.
    case agreement = 190

    /// How many there may be in a second before one of these: never more than 200 datagrams a second go towards one address, and ten of them are
    /// left for the clock of the driver, who sends a little later.
    var limit: Int { rawValue }
  }

  /// More than a peer can name with all its passages.
  private static let maximumAddresses = 512

  private let recent = Mutex<[IPAddress: Deque<Instant>]>([:])

  /// Whether nothing was taken in the last second.
  func isIdle(now: Instant) -> Bool {
    let second = now.advanced(by: .seconds(-1))
    return recent.withLock { $0.values.allSatisfy { $0.last.map { $0 <= second } ?? true } }
  }

  /// Takes one datagram out of the budget.
  ///
  /// - Returns: how many went to this address in the last second, this one included; nil if it may not go.
  func take(_ address: IPAddress, for purpose: Purpose, now: Instant) -> Int? {
    let second = now.advanced(by: .seconds(-1))
    return recent.withLock { recent in
      if recent[address] == nil, recent.count >= Self.maximumAddresses {
        recent = recent.filter { $0.value.last.map { $0 > second } == true }
        guard recent.count < Self.maximumAddresses else { return nil }
      }
      var times = recent.removeValue(forKey: address) ?? []
      defer { recent[address] = times }
      while let first = times.first, first <= second { times.removeFirst() }
      guard times.count < purpose.limit else { return nil }
      times.append(now)
      return times.count
    }
  }
}
