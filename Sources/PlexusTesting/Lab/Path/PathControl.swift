import CTun
import LibC
import Synchronization

/// What a path's loop and its owner tell each other.
final class PathControl: Sendable {
  enum Order: Sendable {
    case change(PathConditions)
    case stop
  }

  private struct State {
    var order: Order?
    var leftToRight = PathQueue.Counters()
    var rightToLeft = PathQueue.Counters()
    var processorTime: Int64 = 0
  }

  /// Becomes readable when there is an order.
  let wakeUp: Int32
  private let state = Mutex(State())

  init() throws(LabError) {
    wakeUp = plexus_event_open()
    guard wakeUp >= 0 else {
      throw LabError(.setupFailed, "a path could not be made: \(String(cString: strerror(errno)))")
    }
  }

  deinit { close(wakeUp) }

  var counters: PathCounters {
    state.withLock { state in
      PathCounters(
        leftToRight: LinkCounters(state.leftToRight), rightToLeft: LinkCounters(state.rightToLeft),
        processorTime: .nanoseconds(state.processorTime))
    }
  }

  /// Has the loop go on under other conditions; of several changes before it looks, the last one counts.
  func change(to conditions: PathConditions) { give(.change(conditions)) }

  func stop() { give(.stop) }

  /// For the loop: what to do, once.
  func takeOrder() -> Order? {
    var count: UInt64 = 0
    _ = read(wakeUp, &count, 8)
    return state.withLock { state in
      defer { state.order = nil }
      return state.order
    }
  }

  /// For the loop: what has happened.
  func publish(_ leftToRight: PathQueue.Counters, _ rightToLeft: PathQueue.Counters, processorTime: Int64) {
    state.withLock { state in
      state.leftToRight = leftToRight
      state.rightToLeft = rightToLeft
      state.processorTime = processorTime
    }
  }

  private func give(_ order: Order) {
    state.withLock { state in
      if case .stop = state.order { return }
      state.order = order
    }
    var one: UInt64 = 1
    _ = write(wakeUp, &one, 8)
  }
}
