import DatagramSockets
import Datagrams
import NIOCore
import NIOPosix
import STUN

/// Looks for the best path to a peer, on several sockets at once, as a child of the calling task.
///
/// - Parameters:
///   - name: the peer's name, by which `turns` remembers failures, and counts what is sent for its sake.
///   - sockets: one for each of `bases`' purposes, in order; see ``CheckBase``. All are closed on return but the one that is returned.
///   - own: what the peer was told; its first server-reflexive candidate is of the first IPv4 socket.
///   - peer: what the peer told.
///   - eventLoops: where sockets live that are opened meanwhile.
///   - turns: who may send thousands of datagrams.
///   - attempt: greater for a later attempt to meet this peer, such as the number of its invitation: it takes the turn of an earlier one.
/// - Returns: the path, and its socket, which is free for a payload.
/// - Throws: ``PathFailure`` when there is no path, `CancellationError` as soon as the task is cancelled; all sockets are closed then.
public func findPath(
  to name: String, as role: PunchRole, own: PunchOffer, peer: PunchOffer, on sockets: [PathSocket],
  openingOn eventLoops: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
  configuration: PathConfiguration = PathConfiguration(), turns: PathTurns, attempt: UInt64 = 0
) async throws -> (path: FoundPath, socket: UDPSocket) {
  var turn = PathTurn(
    turns, peer: name, attempt: attempt, maximum: configuration.maximumAssistance,
    isWanted: own.takesManyDatagrams(with: peer))
  var configuration = configuration
  if !turn.take() { configuration.maximumAssistance = 0 }
  var search = PathSearch(
    sockets: sockets.map(\.socket), eventLoops: eventLoops,
    finder: PathFinder(
      role: role, own: own, peer: peer,
      bases: sockets.map { CheckBase($0.socket.localEndpoint, purpose: $0.purpose) }, configuration: configuration,
      budget: turns.budget(for: name, now: MonotonicClock.now), now: MonotonicClock.now,
      generator: SystemRandomNumberGenerator()), turn: turn)
  let result: Result<PathFinder.Outcome, any Error>
  do { result = .success(try await search.run()) } catch { result = .failure(error) }
  let outcome = try? result.get()
  search.turn.give(after: outcome)
  let winner = try? outcome?.get().socket
  for (index, socket) in search.sockets.enumerated() where index != winner { await socket.close() }
  let path = try result.get().get()
  let socket = search.sockets[path.socket]
  // Whoever is cancelled drops what is returned, and cannot know a socket that was opened here.
  if Task.isCancelled {
    await socket.close()
    throw CancellationError()
  }
  return (path, socket)
}

/// A socket to look for a path on.
public struct PathSocket: Sendable {
  /// The socket.
  public let socket: UDPSocket
  /// What it is there for.
  public let purpose: CheckBase.Purpose

  /// A socket and its purpose.
  public init(_ socket: UDPSocket, purpose: CheckBase.Purpose = .general) {
    (self.socket, self.purpose) = (socket, purpose)
  }
}

/// The turn of one search: wanted until it is there, and lost to a later attempt.
private struct PathTurn {
  private let turns: PathTurns
  private let peer: String
  private let attempt: UInt64
  private let maximum: Int
  private var turn: PathTurns.Turn?
  private var nextLook = MonotonicClock.now
  /// Whether the search takes many datagrams, and has not lost its turn.
  private var isWanted: Bool

  /// The wait for a turn is one of seconds.
  private static let lookEvery: Duration = .milliseconds(200)

  init(_ turns: PathTurns, peer: String, attempt: UInt64, maximum: Int, isWanted: Bool) {
    (self.turns, self.peer, self.attempt, self.maximum) = (turns, peer, attempt, maximum)
    self.isWanted = isWanted
  }

  /// Whether the turn is ours now.
  mutating func take() -> Bool {
    guard isWanted else { return false }
    turn = turns.take(for: peer, attempt: attempt, now: MonotonicClock.now)
    return turn != nil
  }

  /// Has the search begin once the turn is there, and end when it is gone.
  mutating func look(_ finder: inout PathFinder) {
    guard isWanted else { return }
    let now = MonotonicClock.now
    guard nextLook <= now else { return }
    nextLook = now.advanced(by: Self.lookEvery)
    if let turn {
      guard !turns.isHeld(turn) else { return }
      isWanted = false
      finder.endAssistance()
    } else if take() {
      finder.beginAssistance(atMost: maximum, now: now)
    }
  }

  func give(after outcome: PathFinder.Outcome?) {
    if let turn { turns.give(turn, after: outcome, now: MonotonicClock.now) }
  }
}

/// The driver of a ``PathFinder``: one reader a socket.
private struct PathSearch {
  private(set) var sockets: [UDPSocket]
  private(set) var turn: PathTurn
  private let eventLoops: any EventLoopGroup
  private var finder: PathFinder
  /// Which reader wakes at which instant, so that a timeout wakes one of hundreds.
  private var alarm: (reader: Int, time: Instant)?
  private var clock = ArrivalClock()

  /// Sockets opened between two looks at what came in: 256 must not hold up the answers.
  private static let openedAtOnce = 8

  init(sockets: [UDPSocket], eventLoops: any EventLoopGroup, finder: PathFinder, turn: PathTurn) {
    (self.sockets, self.eventLoops, self.finder, self.turn) = (sockets, eventLoops, finder, turn)
  }

  mutating func run() async throws -> PathFinder.Outcome {
    try await withThrowingTaskGroup(of: (Int, Datagram?).self) { readers in
      defer { readers.cancelAll() }
      var idle = Array(sockets.indices)
      while true {
        turn.look(&finder)
        try await send()
        if let outcome = finder.pollOutcome() { return outcome }
        idle += try await openSockets()
        for index in idle {
          let deadline = takeAlarm(for: index)
          readers.addTask { [socket = sockets[index]] in (index, try await socket.receive(until: deadline)) }
        }
        guard let (index, datagram) = try await readers.next() else { throw CancellationError() }
        if alarm?.reader == index { alarm = nil }
        idle = [index]
        let now = clock.now(hasDatagram: datagram != nil, before: finder.pollTimeout())
        if let datagram { finder.receive(datagram, on: index, now: now) }
        finder.handleTimeout(now: now)
      }
    }
  }

  /// Until when a reader waits. The last one that starts knows the next timeout; it need not wait for what another will be woken by.
  private mutating func takeAlarm(for reader: Int) -> Instant {
    let wanted = finder.wantedSockets > 0 ? MonotonicClock.now : finder.pollTimeout() ?? .distantFuture
    if let alarm, alarm.time <= wanted { return .distantFuture }
    alarm = (reader, wanted)
    return wanted
  }

  private mutating func send() async throws {
    while let transmit = finder.pollTransmit() {
      var failure: (any Error)?
      do { try await sockets[transmit.socket].send(transmit.transmit) } catch { failure = error }
      try Task.checkCancellation()
      finder.handleSent(transmit, failure: failure, now: MonotonicClock.now)
    }
  }

  private mutating func openSockets() async throws -> [Int] {
    var opened: [Int] = []
    while finder.wantedSockets > 0, opened.count < Self.openedAtOnce {
      do {
        let socket = try await UDPSocket.bind(to: .any(.v4), on: eventLoops)
        opened.append(sockets.count)
        sockets.append(socket)
        finder.add(CheckBase(socket.localEndpoint))
      } catch {
        try Task.checkCancellation()
        finder.stopWantingSockets()
      }
    }
    return opened
  }
}
