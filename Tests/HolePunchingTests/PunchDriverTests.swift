import DatagramSockets
import Datagrams
import HolePunching
import Testing

@Suite struct PunchDriverTests {
  private static let loopback = Endpoint(address: .v4(0x7F00_0001), port: 0)
  private static let loopback6 = Endpoint(address: .v6(high: 0, low: 1), port: 0)

  @Test(arguments: [loopback, loopback6])
  func twoSocketsShakeHands(_ local: Endpoint) async throws {
    let (left, right) = (try await UDPSocket.bind(to: local), try await UDPSocket.bind(to: local))
    async let accepted = punch(on: left, as: .accepting, secret: 7, peer: right.localEndpoint)
    async let invited = punch(on: right, as: .inviting, secret: 7, peer: left.localEndpoint)
    let results = try await [accepted, invited]
    #expect(results.map(\.peer) == [right.localEndpoint, left.localEndpoint])
    #expect(results.allSatisfy { $0.peerKind == .echoing && $0.roundTrip != nil })
    await left.close()
    await right.close()
  }

  @Test func manyPairsShakeHandsAtOnce() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for secret in UInt64(0)..<50 {
        group.addTask {
          let (left, right) = (
            try await UDPSocket.bind(to: Self.loopback), try await UDPSocket.bind(to: Self.loopback)
          )
          async let accepted = punch(on: left, as: .accepting, secret: secret, peer: right.localEndpoint)
          async let invited = punch(on: right, as: .inviting, secret: secret, peer: left.localEndpoint)
          _ = try await (accepted, invited)
          await left.close()
          await right.close()
        }
      }
      try await group.waitForAll()
    }
  }

  @Test func aSilentPeerIsAFailureThatSaysSo() async throws {
    let (left, right) = (try await UDPSocket.bind(to: Self.loopback), try await UDPSocket.bind(to: Self.loopback))
    var configuration = PunchConfiguration()
    configuration.timeout = .milliseconds(100)
    await #expect {
      try await punch(on: left, as: .inviting, secret: 7, peer: right.localEndpoint, configuration: configuration)
    } throws: { error in
      (error as? PunchFailure)?.code == .peerSilent && "\(error)".contains("\(right.localEndpoint)")
    }
    await left.close()
    await right.close()
  }

  @Test func aPeerThatCannotBeSentToIsAFailureThatSaysWhy() async throws {
    let socket = try await UDPSocket.bind(to: Self.loopback)
    var configuration = PunchConfiguration()
    configuration.timeout = .milliseconds(100)
    await #expect {
      let peer = Endpoint(address: .v6(high: 0, low: 1), port: 9)
      return try await punch(on: socket, as: .inviting, secret: 7, peer: peer, configuration: configuration)
    } throws: { error in
      (error as? PunchFailure)?.code == .cannotSend && "\(error)".contains("IPv6")
    }
    await socket.close()
  }

  @Test func aCancelledPunchEndsAtOnceAndLeavesTheSocketUsable() async throws {
    let (left, right) = (try await UDPSocket.bind(to: Self.loopback), try await UDPSocket.bind(to: Self.loopback))
    let punching = Task { try await punch(on: left, as: .inviting, secret: 7, peer: right.localEndpoint) }
    // Its first probe shows that it runs.
    _ = try await right.receive(until: .distantFuture)
    punching.cancel()
    await #expect(throws: CancellationError.self) { try await punching.value }
    async let accepted = punch(on: left, as: .accepting, secret: 8, peer: right.localEndpoint)
    async let invited = punch(on: right, as: .inviting, secret: 8, peer: left.localEndpoint)
    _ = try await (accepted, invited)
    await left.close()
    await right.close()
  }
}
