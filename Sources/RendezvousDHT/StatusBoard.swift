import Synchronization

/// The node's status, and those who wait for it to change.
final class StatusBoard: Sendable {
  private struct State {
    var status = DHTNode.Status.disconnected
    var watchers: [Int: AsyncStream<DHTNode.Status>.Continuation] = [:]
    var nextWatcher = 0
  }

  private let state = Mutex(State())

  var isConnected: Bool { state.withLock { $0.status == .connected } }

  /// Called on OpenDHT's thread.
  func post(_ status: DHTNode.Status) {
    state.withLock { state in
      state.status = status
      for watcher in state.watchers.values { watcher.yield(status) }
    }
  }

  /// Waits for a connection; whether there was one in time.
  func isConnected(within limit: Duration) async -> Bool {
    await withTaskGroup(of: Bool.self) { group in
      group.addTask {
        await self.wait { $0 == .connected }
        return !Task.isCancelled
      }
      group.addTask {
        try? await Task.sleep(for: limit)
        return false
      }
      defer { group.cancelAll() }
      return await group.next() ?? false
    }
  }

  /// Returns once `condition` holds, or the task is cancelled.
  func wait(until condition: (DHTNode.Status) -> Bool) async {
    // Only the newest matters; who waits for a status that has passed waits for the next.
    let (statuses, feed) = AsyncStream.makeStream(of: DHTNode.Status.self, bufferingPolicy: .bufferingNewest(1))
    let watcher = state.withLock { state in
      state.nextWatcher += 1
      state.watchers[state.nextWatcher] = feed
      feed.yield(state.status)
      return state.nextWatcher
    }
    defer { state.withLock { _ = $0.watchers.removeValue(forKey: watcher) } }
    for await status in statuses where condition(status) { return }
  }
}
