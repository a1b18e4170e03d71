import DatagramSockets
import Datagrams
import Synchronization
import Testing

@testable import PortMapping

/// The life of a lease, with a PCP router played on loopback.
@Suite(.serialized) struct LeaseTests {
  /// A router that does what it is asked, and remembers.
  private final class Router: Sendable {
    struct State {
      /// Lifetimes asked for, in order; 0 is a removal.
      var asked: [UInt32] = []
      var longestLifetime: UInt32 = 600
      var isSilent = false
      var result: UInt8 = 0
    }
    let state = Mutex(State())
    let events = Mutex<[String]>([])
    let socket: UDPSocket

    init(_ number: UInt32) async throws {
      socket = try await UDPSocket.bind(to: Endpoint(address: .v4(0x7F18_0000 + number), port: PCPMessage.port))
    }

    func run() async {
      while let datagram = try? await socket.receive(until: .distantFuture) {
        guard let answer = answer(datagram.payload) else { continue }
        try? await socket.send(Transmit(to: datagram.source, payload: answer))
      }
    }

    private func answer(_ request: [UInt8]) -> [UInt8]? {
      state.withLock { state in
        guard !state.isSilent else { return nil }
        guard request.count == 60 else { return [2, 0x80, 0, 0] + [UInt8](repeating: 0, count: 20) }
        let lifetime = request[4..<8].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        state.asked.append(lifetime)
        var answer = request
        (answer[1], answer[3]) = (0x81, state.result)
        let granted = min(lifetime, state.longestLifetime)
        answer.replaceSubrange(4..<8, with: withUnsafeBytes(of: granted.bigEndian, Array.init))
        answer.replaceSubrange(8..<24, with: [UInt8](repeating: 0, count: 16))
        answer.replaceSubrange(56..<60, with: [203, 0, 113, 10])
        return answer
      }
    }

    var mapper: PortMapper {
      var configuration = PortMapper.Configuration()
      configuration.protocols = [.pcp]
      let place = NetworkPlace(router: socket.localEndpoint.address, local: .v4(0x7F00_0001))
      configuration.place = { _ in place }
      return PortMapper(configuration: configuration) { event in
        let name =
          switch event {
          case .made: "made"
          case .refused: "refused"
          case .changed: "changed"
          case .lost: "lost"
          case .removed: "removed"
          }
        self.events.withLock { $0.append(name) }
      }
    }

    /// Waits for as long as a busy machine may need.
    func wait(until isThere: (State) -> Bool) async throws {
      let end = MonotonicClock.now.advanced(by: .seconds(30))
      while !state.withLock({ isThere($0) }) {
        try #require(MonotonicClock.now < end, "\(state.withLock { $0.asked })")
        try await Task.sleep(for: .milliseconds(10))
      }
    }
  }

  private func withRouter(_ number: UInt32, _ body: (Router) async throws -> Void) async throws {
    let router = try await Router(number)
    try await withThrowingTaskGroup { group in
      group.addTask { await router.run() }
      defer { group.cancelAll() }
      try await body(router)
    }
    await router.socket.close()
  }

  private func mapped(_ lease: PortLease) async throws -> MappedPort {
    try #require(await lease.mapped(within: .seconds(30), ofSilence: .seconds(30)))
  }

  @Test func aPortIsForwardedUntilItsSocketIsClosed() async throws {
    try await withRouter(1) { router in
      let socket = try await UDPSocket.bind(to: Endpoint(address: .v4(0x7F00_0001), port: 0))
      let lease = router.mapper.lease(for: socket)
      let port = try await mapped(lease)
      #expect(port.inner == socket.localEndpoint.port && port.external.address == IPAddress("203.0.113.10"))
      await socket.close()
      #expect(router.state.withLock { $0.asked } == [600, 0])
      #expect(router.events.withLock { $0 } == ["made", "removed"])
      #expect(lease.current == nil)
      await socket.close()
      #expect(router.state.withLock { $0.asked.count } == 2)
    }
  }

  @Test func itIsRenewedAtHalfOfItsLifetime() async throws {
    try await withRouter(2) { router in
      router.state.withLock { $0.longestLifetime = 2 }
      let lease = router.mapper.lease(port: 4000)
      try await router.wait { $0.asked.count >= 3 }
      #expect(lease.current != nil)
      await lease.end()
      #expect(router.state.withLock { $0.asked.last } == 0)
    }
  }

  @Test func aRouterThatFallsSilentIsNoticed() async throws {
    try await withRouter(3) { router in
      router.state.withLock { $0.longestLifetime = 2 }
      let lease = router.mapper.lease(port: 4000)
      _ = try await mapped(lease)
      router.state.withLock { $0.isSilent = true }
      let end = MonotonicClock.now.advanced(by: .seconds(30))
      while lease.current != nil, MonotonicClock.now < end { try await Task.sleep(for: .milliseconds(10)) }
      #expect(lease.current == nil)
      #expect(router.events.withLock { $0.contains("lost") })
      await lease.end()
    }
  }

  @Test func aRefusalIsToldOnceAndNotAskedForAgainAtOnce() async throws {
    try await withRouter(4) { router in
      router.state.withLock { $0.result = 2 }
      let mapper = router.mapper
      for _ in 0..<2 {
        let lease = mapper.lease(port: 4000)
        #expect(await lease.mapped(within: .seconds(30), ofSilence: .seconds(30)) == nil)
        await lease.end()
      }
      #expect(router.events.withLock { $0 } == ["refused"])
      #expect(router.state.withLock { $0.asked } == [600])
    }
  }

  @Test func whatIsHandedOverIsLeftForLongAndRemovedByItsEndAlone() async throws {
    try await withRouter(5) { router in
      router.state.withLock { $0.longestLifetime = 10_000 }
      var lease: PortLease? = router.mapper.lease(port: 4000)
      if let lease {
        _ = try await mapped(lease)
        await lease.handOver(for: .seconds(7200))
      }
      #expect(router.state.withLock { $0.asked } == [600, 7200])
      await lease?.end()
      #expect(router.state.withLock { $0.asked } == [600, 7200, 0])
      let forgotten = router.mapper
      lease = forgotten.lease(port: 4001)
      if let lease {
        _ = try await mapped(lease)
        await lease.handOver(for: .seconds(7200))
      }
      lease = nil
      // The next request of anybody comes after a removal, had there been one.
      let other = forgotten.lease(port: 4002)
      _ = try await mapped(other)
      await other.end()
      #expect(router.state.withLock { $0.asked } == [600, 7200, 0, 600, 7200, 600, 0])
    }
  }

  @Test func whereNobodyAnswersNobodyWaits() async throws {
    try await withRouter(6) { router in
      router.state.withLock { $0.isSilent = true }
      let lease = router.mapper.lease(port: 4000)
      #expect(await lease.mapped(within: .seconds(60), ofSilence: .milliseconds(1)) == nil)
      await lease.end()
      #expect(router.state.withLock { $0.asked }.isEmpty)
    }
  }
}
