import Datagrams
import HeapModule
import NIOCore

// When connections want to be woken up: one timer for all of them.
extension TubusDriver {
  /// When a peer wanted to be woken up; stale where the peer has changed its mind.
  struct Deadline: Comparable {
    let at: Instant
    let peer: Peer
    static func < (left: Deadline, right: Deadline) -> Bool { left.at < right.at }
    static func == (left: Deadline, right: Deadline) -> Bool { left.at == right.at }
  }

  /// Sees to it that a peer is woken up in time.
  func schedule(_ peer: Peer) {
    guard let due = peer.channel.connection.pollTimeout() else { return }
    if let scheduled = peer.scheduled, scheduled <= due { return }
    peer.scheduled = due
    deadlines.insert(Deadline(at: due, peer: peer))
    // Entries that an earlier one has overtaken stay in the heap until their time; they must not pile up.
    if deadlines.count > 4 * (peers.count + challengers.count) + 64 { rebuildDeadlines() }
    arm()
  }

  private func rebuildDeadlines() {
    deadlines = Heap(
      (Array(peers.values) + Array(challengers.values)).compactMap { peer in
        peer.scheduled.map { Deadline(at: $0, peer: peer) }
      })
  }

  private func arm() {
    guard let first = deadlines.min?.at, timer.map({ first < $0.at }) ?? true, channel.isActive else { return }
    timer?.task.cancel()
    let task = eventLoop.assumeIsolated().scheduleTask(deadline: .uptimeNanoseconds(UInt64(max(first.nanoseconds, 0))))
    {
      self.wake()
    }
    timer = (first, task)
  }

  private func wake() {
    timer = nil
    let now = now
    while let first = deadlines.min, first.at <= now {
      deadlines.removeMin()
      guard first.peer.scheduled == first.at else { continue }
      first.peer.scheduled = nil
      first.peer.channel.connection.handleTimeout(now: now)
      serve(first.peer)
    }
    arm()
  }
}
