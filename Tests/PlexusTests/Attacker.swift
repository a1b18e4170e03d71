import DatagramSockets
import Datagrams
import Synchronization

/// Whoever sits on the path between two peers: all that either says to the other passes through its hands.
///
/// Each peer believes that the other is at one of its two sockets, because its STUN servers say so.
final class Attacker: Sendable {
  /// What it does to a datagram: gives those that are to be sent on in its place.
  typealias Trick = @Sendable (_ datagram: [UInt8], _ memory: inout Memory) -> [[UInt8]]

  /// What it has noted of one direction.
  struct Memory: Sendable {
    /// Everything that passed.
    var seen: [[UInt8]] = []
    /// Kept back, to be sent later.
    var held: [[UInt8]] = []
  }

  /// Where Bob believes Alice to be, and Alice Bob.
  let inPlaceOfAlice, inPlaceOfBob: UDPSocket
  private let state = Mutex(State())

  private struct State {
    var alice: Endpoint?
    var bob: Endpoint?
    var fromAlice = Memory()
    var fromBob = Memory()
    var trick: Trick?
  }

  init() async throws {
    let loopback = Endpoint(address: .v4(0x7F00_0001), port: 0)
    (inPlaceOfAlice, inPlaceOfBob) = (try await UDPSocket.bind(to: loopback), try await UDPSocket.bind(to: loopback))
  }

  /// Every datagram that passed, both ways.
  var seen: [[UInt8]] { state.withLock { $0.fromAlice.seen + $0.fromBob.seen } }

  /// Where the two really are, once both have spoken.
  var peers: (alice: Endpoint, bob: Endpoint)? {
    state.withLock { state in
      guard let alice = state.alice, let bob = state.bob else { return nil }
      return (alice, bob)
    }
  }

  /// Passes everything on as it came, until now: the trick is for what comes from here on.
  func begin(_ trick: @escaping Trick) { state.withLock { $0.trick = trick } }

  /// Passes datagrams on until cancelled.
  func run() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await self.relay(from: self.inPlaceOfBob, over: self.inPlaceOfAlice, isAlice: true) }
      group.addTask { try await self.relay(from: self.inPlaceOfAlice, over: self.inPlaceOfBob, isAlice: false) }
      try await group.next()
      group.cancelAll()
    }
  }

  func close() async {
    await inPlaceOfAlice.close()
    await inPlaceOfBob.close()
  }

  private func relay(from socket: UDPSocket, over other: UDPSocket, isAlice: Bool) async throws {
    while let datagram = try await socket.receive(until: .distantFuture) {
      let (destination, payloads) = state.withLock { state -> (Endpoint?, [[UInt8]]) in
        if isAlice { state.alice = datagram.source } else { state.bob = datagram.source }
        let trick = state.trick ?? { datagram, _ in [datagram] }
        let payloads = Self.apply(trick, to: datagram.payload, isAlice ? \.fromAlice : \.fromBob, of: &state)
        return (isAlice ? state.bob : state.alice, payloads)
      }
      guard let destination else { continue }
      for payload in payloads { try? await other.send(Transmit(to: destination, payload: payload)) }
    }
  }

  private static func apply(
    _ trick: Trick, to datagram: [UInt8], _ direction: WritableKeyPath<State, Memory>, of state: inout State
  ) -> [[UInt8]] {
    state[keyPath: direction].seen.append(datagram)
    return trick(datagram, &state[keyPath: direction])
  }
}
