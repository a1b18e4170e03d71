import Datagrams
import HolePunching
import STUN

/// A simulated host that looks for a path with the real core, from an instant on.
public final class PathHost: SimulatedHost {
  /// Which side it is.
  public let role: PunchRole
  /// Its sockets, in the order of the core's indices: those that the offer is about, and then those opened meanwhile.
  public private(set) var sockets: [Endpoint]
  /// How it ended, once it has.
  public private(set) var outcome: PathFinder.Outcome?
  /// When that was.
  public private(set) var endedAt: Instant?
  private let start: Instant
  private let make: (Instant) -> PathFinder
  private var spare: ArraySlice<Endpoint>
  private var finder: PathFinder?

  /// A host with its sockets and some that it may still open.
  public init(
    role: PunchRole, own: PunchOffer, peer: PunchOffer, bases: [CheckBase], spare: [Endpoint],
    configuration: PathConfiguration, start: Instant, random: SeededGenerator
  ) {
    self.role = role
    sockets = bases.map(\.local)
    self.spare = spare[...]
    self.start = start
    make = { now in
      PathFinder(
        role: role, own: own, peer: peer, bases: bases, configuration: configuration, now: now, generator: random)
    }
  }

  /// What passed so far.
  public var counters: CheckCounters { finder?.counters ?? CheckCounters() }

  /// The core's timeout, or the start before that.
  public var timeout: Instant? {
    guard outcome == nil else { return nil }
    return finder.map { $0.pollTimeout() } ?? start
  }

  /// Gives the core a datagram; before the start nobody listens.
  public func receive(_ datagram: Datagram, at socket: Endpoint, now: Instant) {
    guard outcome == nil, let index = sockets.firstIndex(of: socket) else { return }
    finder?.receive(datagram, on: index, now: now)
    proceed(now: now)
  }

  /// Starts the core, or lets it do what is due.
  public func handleTimeout(now: Instant) {
    if finder == nil { finder = make(now) }
    finder?.handleTimeout(now: now)
    proceed(now: now)
  }

  /// What the core sends.
  public func pollTransmit() -> (transmit: Transmit, socket: Endpoint)? {
    guard let next = finder?.pollTransmit() else { return nil }
    finder?.handleSent(next, failure: nil, now: start)
    return (next.transmit, sockets[next.socket])
  }

  private func proceed(now: Instant) {
    while let wanted = finder?.wantedSockets, wanted > 0 {
      if let socket = spare.popFirst() {
        sockets.append(socket)
        finder?.add(CheckBase(socket))
      } else {
        finder?.stopWantingSockets()
      }
    }
    outcome = finder?.pollOutcome()
    if outcome != nil { endedAt = now }
  }
}
