import Datagrams

/// Events in the order of their time; those of one instant in the order in which they were added.
struct EventQueue<Event> {
  /// Latest first, so that the next is cheap to take. Few are ever under way.
  private var events: [(time: Instant, event: Event)] = []

  var nextTime: Instant? { events.last?.time }

  mutating func add(_ event: Event, at time: Instant) {
    var (low, high) = (0, events.count)
    while low < high {
      let middle = (low + high) / 2
      if events[middle].time > time { low = middle + 1 } else { high = middle }
    }
    events.insert((time, event), at: low)
  }

  mutating func takeNext() -> Event? { events.popLast()?.event }
}
