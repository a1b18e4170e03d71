import DatagramSockets
import Datagrams

/// A port that a router forwards, or will as soon as it is found: renewed until the lease ends, and removed then.
///
/// Made by ``PortMapper/lease(for:)`` it ends when its socket is closed; else by ``end()``.
public final class PortLease: SocketCompanion {
  enum Phase: Sendable {
    /// No router is known yet; until `hope` one may show up soon.
    case searching(hope: Instant?)
    /// A router was asked.
    case asking
    case mapped(MappedPort)
    /// There is none, and will be none.
    case over
  }

  /// What is wanted of the router.
  struct Wish: Sendable {
    var lifetime: Duration
    /// Whether the mapping is left to its lifetime at the end: a program that outlives this one goes on to use it.
    var isLeftBehind = false
    /// Counts up with each wish to be heard at once.
    var number = 0
  }

  private let phase: Watched<Phase>
  private let wish: Watched<Wish>
  /// Owned by the lease: it ends in ``end()``, or at the latest when nobody has the lease any more.
  private let task: Task<Void, Never>

  init(port: UInt16, of mapper: PortMapper) {
    let phase = Watched(Phase.searching(hope: .distantFuture))
    let wish = Watched(Wish(lifetime: mapper.configuration.lifetime))
    (self.phase, self.wish) = (phase, wish)
    task = Task {
      var keeper = LeaseKeeper(port: port, mapper: mapper, phase: phase, wish: wish)
      await keeper.run()
      // The task is cancelled by now, and what follows must not be.
      await Task { [keeper] in await keeper.finish() }.value
      phase.change { $0 = .over }
    }
  }

  deinit { task.cancel() }

  /// The forwarded port, if there is one now.
  public var current: MappedPort? { if case .mapped(let port) = phase.value { port } else { nil } }

  /// Waits for the port to be forwarded for as long as that may happen soon.
  ///
  /// - Parameter patience: the longest wait. Where no router answers, it is over at once, or some milliseconds after the search began.
  public func mapped(within patience: Duration) async -> MappedPort? {
    let deadline = MonotonicClock.now.advanced(by: patience)
    while true {
      let now = MonotonicClock.now
      switch phase.value {
      case .mapped(let port): return port
      case .over: return nil
      case .searching(let hope):
        guard let hope, now < min(hope, deadline), !Task.isCancelled else { return nil }
        await phase.wait(within: now.duration(to: min(hope, deadline))) { phase in
          if case .searching(hope) = phase { false } else { true }
        }
      case .asking:
        guard now < deadline, !Task.isCancelled else { return nil }
        await phase.wait(within: now.duration(to: deadline)) { if case .asking = $0 { false } else { true } }
      }
    }
  }

  /// Leaves the mapping, if there is one, to a program that may outlive this one: the router is asked to keep it for that long, now and whenever it is
  /// renewed, and it is removed by ``end()`` alone. Returns when the router has answered, a second later at most.
  public func handOver(for lifetime: Duration) async {
    wish.change { wish in
      wish = Wish(lifetime: lifetime, isLeftBehind: true, number: wish.number + 1)
    }
    guard let port = current else { return }
    await phase.wait(within: .seconds(1)) { if case .mapped(port) = $0 { false } else { true } }
  }

  /// Ends the lease and returns when the router was told, a second later at most. Ending twice does nothing.
  public func end() async {
    wish.change { $0.isLeftBehind = false }
    task.cancel()
    await task.value
  }

  package func socketDidClose() async { await end() }
}
