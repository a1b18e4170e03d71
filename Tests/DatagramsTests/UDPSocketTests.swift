import DatagramSockets
import Datagrams
import FoundationEssentials
import Testing

@Suite struct UDPSocketTests {
  private static let loopback = Endpoint(address: .v4(0x7F00_0001), port: 0)

  @Test func datagramsArriveWithTheirSource() async throws {
    let (left, right) = (try await UDPSocket.bind(to: Self.loopback), try await UDPSocket.bind(to: Self.loopback))
    try await left.send(Transmit(to: right.localEndpoint, payload: [1, 2, 3], hopLimit: 3))
    try await left.send(Transmit(to: right.localEndpoint, payload: [4]))
    let deadline = MonotonicClock.now.advanced(by: .seconds(10))
    #expect(try await right.receive(until: deadline) == Datagram(from: left.localEndpoint, payload: [1, 2, 3]))
    #expect(try await right.receive(until: deadline) == Datagram(from: left.localEndpoint, payload: [4]))
    await left.close()
    await right.close()
  }

  @Test func aWaitEndsAtItsDeadlineWithNothing() async throws {
    let socket = try await UDPSocket.bind(to: Self.loopback)
    #expect(try await socket.receive(until: MonotonicClock.now.advanced(by: .milliseconds(5))) == nil)
    await socket.close()
  }

  @Test func aCancelledWaitThrowsAndLeavesTheSocketUsable() async throws {
    let socket = try await UDPSocket.bind(to: Self.loopback)
    let waiting = Task { try await socket.receive(until: .distantFuture) }
    waiting.cancel()
    await #expect(throws: CancellationError.self) { try await waiting.value }
    try await socket.send(Transmit(to: socket.localEndpoint, payload: [7]))
    #expect(try await socket.receive(until: MonotonicClock.now.advanced(by: .seconds(10)))?.payload == [7])
    await socket.close()
  }

  @Test func aClosedSocketFreesItsPortAtOnce() async throws {
    let first = try await UDPSocket.bind(to: Self.loopback)
    await first.close()
    // A child of another test, between fork and exec, may hold a copy of the descriptor for a moment.
    var second: UDPSocket?
    for _ in 1...1000 where second == nil {
      second = try? await UDPSocket.bind(to: first.localEndpoint)
      if second == nil { await Task.yield() }
    }
    #expect(second?.localEndpoint == first.localEndpoint)
    await second?.close()
  }

  @Test func aPortThatIsHeldIsRefused() async throws {
    let holder = try await UDPSocket.bind(to: Self.loopback)
    await #expect { try await UDPSocket.bind(to: holder.localEndpoint) } throws: { error in
      (error as? UDPSocketError)?.code == .portTaken
    }
    await holder.close()
  }

  @Test func addressesOfOtherHostsAreRefusedWithAdvice() async throws {
    let foreign = Endpoint(address: .v4(0xCB00_7101), port: 0)
    await #expect { try await UDPSocket.bind(to: foreign) } throws: { error in
      (error as? UDPSocketError)?.code == .addressNotLocal
    }
  }

  /// NIO leaves the descriptor to the caller, who never sees it.
  @Test func aFailedBindKeepsNoDescriptor() async throws {
    let holder = try await UDPSocket.bind(to: Self.loopback)
    // Other tests open and close theirs meanwhile, but not so many.
    let attempts = 200
    let before = try Self.openDescriptors
    for _ in 0..<attempts { _ = try? await UDPSocket.bind(to: holder.localEndpoint) }
    #expect(try Self.openDescriptors < before + attempts)
    await holder.close()
  }

  private static var openDescriptors: Int {
    get throws { try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count }
  }
}
