import Datagrams
import DequeModule
import STUN

/// The requests that are under way, by which answers are known.
struct SentChecks: Sendable {
  struct Entry: Sendable {
    let base: Int
    let destination: Endpoint
    let sentAt: Instant
    /// The number of the choice that the request told, if any.
    let nomination: UInt32?
  }

  /// More than are sent in the ten seconds that an answer may take.
  private static let capacity = 4096

  private var entries: [STUNTransactionID: Entry] = [:]
  private var order: Deque<STUNTransactionID> = []

  mutating func add(_ id: STUNTransactionID, _ entry: Entry) {
    if order.count >= Self.capacity, let oldest = order.popFirst() { entries[oldest] = nil }
    entries[id] = entry
    order.append(id)
  }

  /// The request that an answer belongs to, whatever copy of it this is.
  func entry(_ id: STUNTransactionID) -> Entry? { entries[id] }
}
