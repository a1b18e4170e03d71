import Datagrams

/// Pings that are not yet answered. Their numbers count microseconds from a random base: only who receives one can answer it.
struct Pings {
  enum Purpose: Equatable {
    case roundTrip
    /// A padded one: a datagram of this size passes.
    case size(Int)
  }

  /// More are outstanding only where nobody answers.
  private static let capacity = 8

  private let base: UInt64
  private var outstanding: [(number: UInt64, sentAt: Instant, purpose: Purpose)] = []

  init(base: UInt64 = 0) { self.base = base }

  /// When the newest of all was sent, answered or not.
  private(set) var newestAt: Instant?
  /// When the newest of those that wait for an answer was sent.
  var newestSentAt: Instant? { outstanding.last?.sentAt }

  mutating func next(_ purpose: Purpose, now: Instant) -> UInt64 {
    var number = base &+ UInt64(bitPattern: now.nanoseconds / 1000)
    while outstanding.contains(where: { $0.number == number }) { number &+= 1 }
    if outstanding.count == Self.capacity { outstanding.removeFirst() }
    outstanding.append((number, now, purpose))
    newestAt = now
    return number
  }

  /// What the echo of `number` says; nil for one that is not waited for.
  mutating func answer(_ number: UInt64) -> (sentAt: Instant, purpose: Purpose)? {
    guard let index = outstanding.firstIndex(where: { $0.number == number }) else { return nil }
    let ping = outstanding.remove(at: index)
    return (ping.sentAt, ping.purpose)
  }

  /// Something was heard: older ones are not missed any more.
  mutating func forget(before instant: Instant) { outstanding.removeAll { $0.sentAt < instant } }
}
