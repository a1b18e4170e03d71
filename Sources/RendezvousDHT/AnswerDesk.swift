import Identity
import Logging
import Synchronization

/// Listens for what acceptors answer to our invites of one application, and hands each value to the invite that it names.
final class AnswerDesk: Sendable {
  private let inboxes = Mutex<[UInt64: ValueInbox]>([:])
  private let keys: [DHTKey]
  private let node: DHTNode
  private let logger: Logger
  private let listeners = Mutex<[DHTListener]>([])

  init(node: DHTNode, keys: [DHTKey], logger: Logger) {
    self.node = node
    self.keys = keys
    self.logger = logger
    // Listening starts long before anybody can answer: as soon as somebody is to be invited at all.
    let started = keys.compactMap { key in node.listen(key) { [weak self] value in self?.deliver(value) } }
    listeners.withLock { $0 = started }
  }

  /// Hands values with these ids to `inbox`.
  func register(_ inbox: ValueInbox, for id: UInt64) {
    inboxes.withLock { $0[id] = inbox }
  }

  func unregister(_ inbox: ValueInbox) {
    inboxes.withLock { inboxes in inboxes = inboxes.filter { $0.value !== inbox } }
  }

  /// Asks for answers that a listen may have missed.
  func askAgain(for inbox: ValueInbox) {
    let ids = inboxes.withLock { inboxes in inboxes.filter { $0.value === inbox }.map(\.key) }
    for id in ids {
      for key in keys { node.get(key, id: id) { [weak self] value in self?.deliver(value) } }
    }
  }

  func close() {
    for listener in listeners.withLock({ $0 }) { listener.cancel() }
    for inbox in inboxes.withLock({ Array($0.values) }) { inbox.close() }
  }

  private func deliver(_ value: SealedValue) {
    // Answers to earlier invites stay in the DHT for ten minutes: not worth a line.
    inboxes.withLock { $0[value.id] }?.deliver(value)
  }
}
