import Identity
import Synchronization

/// Listens for what acceptors answer to our invites of one application, and hands each invite what carries its number.
///
/// One listen under each key serves all invites, from the first to ``close()``: OpenDHT 2.4 cannot cancel a listen on a host without
/// any IPv6, so one for each invite would stay behind; and one that is in place makes the next invite's answer quicker.
final class AnswerDesk: Sendable {
  private enum Listening {
    case notYet
    case running([DHTListener])
    case closed
  }

  // Two locks: listening takes the node's, under which OpenDHT may be waiting for a callback that needs the watches.
  private let listening = Mutex(Listening.notYet)
  private let watches = Watches()
  private let keys: [DHTKey]
  private let node: DHTNode

  init(node: DHTNode, keys: [DHTKey]) {
    self.node = node
    self.keys = keys
  }

  /// Looks up the nodes that will keep answers, and listens there.
  func prepare() {
    for key in keys { node.warm(key) }
    listen()
  }

  /// Hands values with this id to `inbox`, too, from now on: to be called before anything is put that they may answer.
  func register(_ inbox: ValueInbox, for id: UInt64) {
    guard watches.add(inbox, for: id) else { return inbox.close() }
    listen()
  }

  /// Hands no more values to `inbox`, but for one that is on its way to it.
  func unregister(_ inbox: ValueInbox) { watches.remove(inbox) }

  /// Asks for answers that the listens may have missed.
  func askAgain(for inbox: ValueInbox) {
    for id in watches.ids(of: inbox) {
      for key in keys { node.get(key, id: id) { inbox.deliver($0) } }
    }
  }

  /// Ends the listens and every invite that waits, for good.
  func close() {
    let ended = listening.withLock { listening in
      defer { listening = .closed }
      return if case .running(let listeners) = listening { listeners } else { [DHTListener]() }
    }
    for listener in ended { listener.cancel() }
    for inbox in watches.close() { inbox.close() }
  }

  private func listen() {
    listening.withLock { listening in
      guard case .notYet = listening else { return }
      // Not listened to by id: with such a filter values that were put later were not shown by nodes of 2.4, for a reason
      // that was not found.
      let listeners = keys.compactMap { key in node.listen(key) { [watches] in watches.deliver($0) } }
      listening = .running(listeners)
    }
  }
}

/// Who waits for which number. What comes from OpenDHT's thread is handed over outside of the lock.
private final class Watches: Sendable {
  private struct Watch {
    var inbox: ValueInbox
    var id: UInt64
  }

  /// Nil once closed.
  private let all = Mutex<[Watch]?>([])

  /// Whether the inbox is taken.
  func add(_ inbox: ValueInbox, for id: UInt64) -> Bool {
    all.withLock { watches in
      watches?.append(Watch(inbox: inbox, id: id))
      return watches != nil
    }
  }

  func remove(_ inbox: ValueInbox) { all.withLock { $0?.removeAll { $0.inbox === inbox } } }

  /// Takes nobody any more; gives those that waited.
  func close() -> [ValueInbox] { all.withLock { watches in watches.take() ?? [] }.map(\.inbox) }

  func ids(of inbox: ValueInbox) -> [UInt64] { matching { $0.inbox === inbox }.map(\.id) }

  func deliver(_ value: SealedValue) {
    let id = value.id
    for watch in matching({ $0.id == id }) { watch.inbox.deliver(value) }
  }

  private func matching(_ condition: (Watch) -> Bool) -> [Watch] { all.withLock { $0?.filter(condition) ?? [] } }
}
