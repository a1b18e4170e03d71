import DatagramSockets
import Datagrams
import STUN
import Testing

@testable import HolePunching

@Suite struct FindPathTests {
  private static let loopback = Endpoint(address: .v4(0x7F00_0001), port: 0)
  private static let loopback6 = Endpoint(address: .v6(high: 0, low: 1), port: 0)

  private struct Side {
    let sockets: [UDPSocket]
    let offer: PunchOffer

    init(_ locals: [Endpoint], traits: NATTraits = NATTraits()) async throws {
      var sockets: [UDPSocket] = []
      for local in locals { sockets.append(try await UDPSocket.bind(to: local)) }
      var random = SystemRandomNumberGenerator()
      offer = PunchOffer(
        candidates: sockets.map { Candidate(.host, $0.localEndpoint) }, traits: traits,
        keyShare: KeyShare(using: &random))
      self.sockets = sockets
    }

    func find(_ role: PunchRole, _ peer: Side, turns: PathTurns = PathTurns()) async throws -> (FoundPath, UDPSocket) {
      let found = try await findPath(
        to: "peer", as: role, own: offer, peer: peer.offer, on: sockets.map { PathSocket($0) }, turns: turns)
      return (found.path, found.socket)
    }
  }

  @Test func theWinnerStaysOpenAndTheOthersClose() async throws {
    let (left, right) = (
      try await Side([Self.loopback, Self.loopback6, Self.loopback]), try await Side([Self.loopback, Self.loopback6])
    )
    async let accepted = left.find(.accepting, right)
    async let invited = right.find(.inviting, left)
    let (one, other) = try await (accepted, invited)
    #expect(one.0.peer == other.1.localEndpoint)
    #expect(other.0.peer == one.1.localEndpoint)
    #expect(other.0.mapped == other.1.localEndpoint)
    try await one.1.send(Transmit(to: one.0.peer, payload: [1, 2, 3]))
    var heard: Datagram?
    while heard?.payload.count != 3 { heard = try await other.1.receive(until: .distantFuture) }
    await one.1.close()
    await other.1.close()
    for socket in left.sockets + right.sockets { await expectClosed(socket) }
  }

  @Test func manySocketsAreOpenedAndClosedAgain() async throws {
    // Both sides believe that the left one's ports cannot be told, and the right one's filter is the strictest.
    let symmetric = NATTraits(mapping: .addressAndPortDependent, allocation: .random)
    let left = try await Side([Self.loopback], traits: symmetric)
    let right = try await Side([Self.loopback])
    var random = SystemRandomNumberGenerator()
    let nowhere = Endpoint(address: .v4(0x7F00_0001), port: 9)
    func offer(_ traits: NATTraits) -> PunchOffer {
      PunchOffer(candidates: [Candidate(.serverReflexive, nowhere)], traits: traits, keyShare: KeyShare(using: &random))
    }
    let (own, peer) = (offer(symmetric), offer(NATTraits()))
    let turns = PathTurns()
    var configuration = PathConfiguration()
    configuration.timeout = .seconds(6)
    let failure = await #expect(throws: PathFailure.self) {
      _ = try await findPath(
        to: "peer", as: .inviting, own: own, peer: peer, on: left.sockets.map { PathSocket($0) },
        configuration: configuration, turns: turns)
    }
    #expect(failure?.code == .portNotFound)
    let counters = try #require(failure?.counters)
    #expect(counters.guesses > 0)
    #expect(counters.peakPerSecond <= 200)
    #expect(turns.take(for: "peer", now: MonotonicClock.now) == nil)
    #expect(turns.take(for: "another", now: MonotonicClock.now) != nil)
    for socket in right.sockets { await socket.close() }
  }

  /// As when the last attempt has failed a moment ago, or another search is under way.
  @Test func aSearchThatGetsItsTurnLateBeginsThen() async throws {
    let symmetric = NATTraits(mapping: .addressAndPortDependent, allocation: .random)
    let left = try await Side([Self.loopback])
    var random = SystemRandomNumberGenerator()
    let nowhere = Candidate(.serverReflexive, Endpoint(address: .v4(0x7F00_0001), port: 9))
    let own = PunchOffer(candidates: [nowhere], traits: NATTraits(), keyShare: KeyShare(using: &random))
    let peer = PunchOffer(candidates: [nowhere], traits: symmetric, keyShare: KeyShare(using: &random))
    let turns = PathTurns()
    let turn = try #require(turns.take(for: "another", now: MonotonicClock.now))
    async let failed = #expect(throws: PathFailure.self) {
      var configuration = PathConfiguration()
      configuration.timeout = .seconds(4)
      _ = try await findPath(
        to: "peer", as: .inviting, own: own, peer: peer, on: left.sockets.map { PathSocket($0) },
        configuration: configuration, turns: turns)
    }
    try await Task.sleep(for: .seconds(1))
    turns.give(turn, after: nil, now: MonotonicClock.now)
    let failure = await failed
    #expect(failure?.code == .portNotFound && (failure?.counters.guesses ?? 0) > 0)
  }

  @Test func aCancelledSearchClosesItsSockets() async throws {
    let (left, right) = (try await Side([Self.loopback]), try await Side([Self.loopback]))
    let task = Task { try await left.find(.inviting, right) }
    try await Task.sleep(for: .milliseconds(50))
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    for socket in left.sockets { await expectClosed(socket) }
    for socket in right.sockets { await socket.close() }
  }

  @Test func aPathThatIsFoundWhenTheSearchIsCancelledIsClosed() async throws {
    let left = try await Side([Self.loopback, Self.loopback6])
    let right = try await Side([Self.loopback])
    // There is no path from it: it is closed once there is one from the other.
    left.sockets[1].attach(CancellingItsCloser())
    let finding = Task { try await left.find(.inviting, right) }
    let answering = Task { try await right.find(.accepting, left) }
    await #expect(throws: CancellationError.self) { try await finding.value }
    answering.cancel()
    if let found = try? await answering.value { await found.1.close() }
    for socket in left.sockets + right.sockets { await expectClosed(socket) }
  }

  /// What came before the end may still be read.
  private func expectClosed(_ socket: UDPSocket) async {
    await #expect(throws: (any Error).self) {
      for _ in 0..<1000 { _ = try await socket.receive(until: .zero) }
    }
  }
}

/// Cancels the task that closes its socket.
private struct CancellingItsCloser: SocketCompanion {
  func socketDidClose() async { cancel() }

  private func cancel() {
    withUnsafeCurrentTask { task in
      guard let task else { return }
      task.cancel()
    }
  }
}
