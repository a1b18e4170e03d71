import Identity
import Logging
import Synchronization

/// Listens for what acceptors answer to our invites of one application, and hands each invite what carries its number.
final class AnswerDesk: Sendable {
  private struct Watch {
    var inbox: ValueInbox
    var id: UInt64
    var listeners: [DHTListener]
  }

  private let watches = Mutex<[Watch]>([])
  private let keys: [DHTKey]
  private let node: DHTNode

  init(node: DHTNode, keys: [DHTKey]) {
    self.node = node
    self.keys = keys
  }

  /// Looks up the nodes that will keep answers.
  func prepare() {
    for key in keys { node.warm(key) }
  }

  /// Hands values with this id to `inbox`, too.
  func register(_ inbox: ValueInbox, for id: UInt64) {
    // Not listened to by id: with such a filter values that were put later were not shown by nodes of 2.4, for a reason
    // that was not found.
    let listeners = keys.compactMap { key in node.listen(key) { if $0.id == id { inbox.deliver($0) } } }
    watches.withLock { $0.append(Watch(inbox: inbox, id: id, listeners: listeners)) }
  }

  /// Hands no more values to `inbox`.
  func unregister(_ inbox: ValueInbox) {
    let ended = watches.withLock { watches in
      let ended = watches.filter { $0.inbox === inbox }
      watches.removeAll { $0.inbox === inbox }
      return ended
    }
    // Not under the lock: cancelling waits for a callback that is under way.
    for listener in ended.flatMap(\.listeners) { listener.cancel() }
  }

  /// Asks for answers that the listens may have missed.
  func askAgain(for inbox: ValueInbox) {
    let ids = watches.withLock { watches in watches.filter { $0.inbox === inbox }.map(\.id) }
    for id in ids {
      for key in keys { node.get(key, id: id) { inbox.deliver($0) } }
    }
  }

  /// Ends every invite that waits.
  func close() {
    let ended = watches.withLock { watches in
      defer { watches = [] }
      return watches
    }
    for watch in ended {
      for listener in watch.listeners { listener.cancel() }
      watch.inbox.close()
    }
  }
}
