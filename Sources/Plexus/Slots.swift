import Datagrams
import Identity

/// Bounds how many things go on at once, in all and for each peer, so that no peer can keep out the others.
actor Slots {
  /// A peer's machines share one identity seldom, and a person's tunnels are few.
  private static let perPeer = 16

  private var taken: [IdentityName: Int] = [:]
  private var free: Int
  private var waiters: [(id: Int, continuation: CheckedContinuation<Bool, Never>)] = []
  private var nextID = 0
  private var refusals = RefusalBudget()

  init(_ count: Int) { free = count }

  /// Does something for a peer while it holds a slot, or says that there is none.
  ///
  /// - Parameter limit: how long to wait for a slot.
  func run(
    for peer: IdentityName, waiting limit: Duration, _ body: @Sendable () async -> Void,
    orElse busy: @Sendable () async -> Void
  ) async {
    guard taken[peer, default: 0] < Self.perPeer else { return await busy() }
    taken[peer, default: 0] += 1
    if await take(within: limit) {
      await body()
      give()
    } else {
      await busy()
    }
    let left = taken[peer, default: 1] - 1
    taken[peer] = left > 0 ? left : nil
  }

  /// Whether a peer that finds no slot is told so, now.
  func mayRefuse(_ peer: IdentityName, now: Instant) -> Bool { refusals.take(peer, now: now) }

  /// Waits for a free one.
  ///
  /// - Returns: whether there was one within `limit`, before the task was cancelled.
  func take(within limit: Duration) async -> Bool {
    if free > 0 {
      free -= 1
      return true
    }
    nextID += 1
    let id = nextID
    let timer = Task {
      try? await Task.sleep(for: limit)
      self.giveUp(id)
    }
    defer { timer.cancel() }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { waiters.append((id, $0)) }
    } onCancel: {
      // A cancelled timer gives up at once.
      timer.cancel()
    }
  }

  /// Gives one back.
  func give() {
    if waiters.isEmpty { free += 1 } else { waiters.removeFirst().continuation.resume(returning: true) }
  }

  private func giveUp(_ id: Int) {
    guard let index = waiters.firstIndex(where: { $0.id == id }) else { return }
    waiters.remove(at: index).continuation.resume(returning: false)
  }
}
