import COpenDHT
import Synchronization

/// A listen. Ends with ``cancel()`` or with the object.
final class DHTListener: Sendable {
  private struct State {
    var handle: Handle?
    var isCancelled = false
  }

  private let key: DHTKey
  private let value: @Sendable (SealedValue) -> Void
  private let state = Mutex(State())

  init(key: DHTKey, value: @escaping @Sendable (SealedValue) -> Void) {
    (self.key, self.value) = (key, value)
  }

  deinit { cancel() }

  fileprivate var isCancelled: Bool { state.withLock { $0.isCancelled } }

  /// Listens at a node, and at none before.
  func begin(on node: OpaquePointer) {
    let before: Handle? = state.withLock { state in
      guard !state.isCancelled else { return nil }
      defer {
        state.handle = codht_listen(node, key.bytes, Callback(value).context) { object, found in
          guard let found else { return }
          Callback<SealedValue>.at(object).call(SealedValue(owning: found))
        }.map { Handle(pointer: $0) }
      }
      return state.handle
    }
    if let before { codht_listener_cancel(before.pointer) }
  }

  /// No value is delivered after this returned.
  func cancel() {
    let handle = state.withLock { state in
      state.isCancelled = true
      return state.handle.take()
    }
    if let handle { codht_listener_cancel(handle.pointer) }
  }
}

/// The listens of a node, held weakly: they belong to those who listen.
final class Listens: Sendable {
  private struct Entry {
    weak var listener: DHTListener?
  }

  private let entries = Mutex<[Entry]>([])

  func add(_ listener: DHTListener) {
    entries.withLock { entries in
      entries.removeAll { $0.listener?.isCancelled != false }
      entries.append(Entry(listener: listener))
    }
  }

  var all: [DHTListener] {
    entries.withLock { entries in entries.compactMap(\.listener) }.filter { !$0.isCancelled }
  }
}
