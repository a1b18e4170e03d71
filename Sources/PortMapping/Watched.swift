import DatagramSockets
import Datagrams
import Synchronization

/// A value whose changes can be waited for.
final class Watched<Value: Sendable>: Sendable {
  private struct State {
    var value: Value
    var watchers: [Int: AsyncStream<Void>.Continuation] = [:]
    var nextID = 0
  }

  private let state: Mutex<State>

  init(_ value: Value) { state = Mutex(State(value: value)) }

  var value: Value { state.withLock { $0.value } }

  /// Changes the value, and lets everyone look who waits.
  @discardableResult
  func change<Result: Sendable>(_ body: (inout Value) -> Result) -> Result {
    let (result, watchers) = state.withLock { (body(&$0.value), Array($0.watchers.values)) }
    for watcher in watchers { watcher.yield() }
    return result
  }

  /// Waits until `find` gives something; nil when the task is cancelled.
  func first<Found: Sendable>(_ find: (Value) -> Found?) async -> Found? {
    let (changes, feed) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    let id = state.withLock { state in
      state.nextID += 1
      state.watchers[state.nextID] = feed
      return state.nextID
    }
    defer { state.withLock { $0.watchers[id] = nil } }
    feed.yield()
    for await _ in changes {
      if let found = find(value) { return found }
    }
    return nil
  }

  /// Waits until the value is as wanted, for no longer than `patience`, nor after the task is cancelled.
  func wait(within patience: Duration, until isWanted: @escaping @Sendable (Value) -> Bool) async {
    guard patience > .zero, !isWanted(value) else { return }
    await withTaskGroup { group in
      group.addTask { _ = await self.first { isWanted($0) ? true : Bool?.none } }
      group.addTask { try? await Task.sleep(for: patience) }
      await group.next()
      group.cancelAll()
    }
  }
}
