import Datagrams
import DequeModule

/// Keeps what is sent towards one address below a rate, whatever asks for it, over any second.
struct SendBudget: Sendable {
  /// Never more than 200 datagrams a second towards one address; ten are left for the clock of the driver, who sends a little later.
  static let perSecond = 190
  /// Left for answers and for the choice of a path, which matter more than further checks.
  static let reserve = 15
  /// More addresses than a peer can offer.
  private static let maximumAddresses = 64

  private var recent: [IPAddress: Deque<Instant>] = [:]
  /// The most that went to one address in a second.
  private(set) var peak = 0

  /// Whether one more may go; if so it counts.
  mutating func take(_ address: IPAddress, isImportant: Bool, now: Instant) -> Bool {
    let second = now.advanced(by: .seconds(-1))
    if recent[address] == nil, recent.count >= Self.maximumAddresses {
      recent = recent.filter { $0.value.last.map { $0 > second } == true }
      guard recent.count < Self.maximumAddresses else { return false }
    }
    var times = recent[address] ?? []
    while let first = times.first, first <= second { times.removeFirst() }
    let isAllowed = times.count < (isImportant ? Self.perSecond : Self.perSecond - Self.reserve)
    if isAllowed { times.append(now) }
    peak = max(peak, times.count)
    recent[address] = times
    return isAllowed
  }
}
