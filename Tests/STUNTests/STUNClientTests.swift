import DatagramSockets
import Datagrams
import PlexusTesting
import Testing

@testable import STUN

/// The drivers on real sockets of the loopback interface, against our own server.
@Suite struct STUNClientTests {
  private static let first = IPAddress.v4(0x7F00_0001)
  private static let second = IPAddress.v4(0x7F00_0002)
  private static let loopback = Endpoint(address: first, port: 0)

  /// A server that runs while `body` does.
  private static func withService<Result: Sendable>(
    addresses: [IPAddress], ports: [UInt16], _ body: @Sendable (STUNService) async throws -> Result
  ) async throws -> Result {
    let service = try await STUNService.bind(addresses: addresses, ports: ports)
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await service.run() }
      defer { group.cancelAll() }
      return try await body(service)
    }
  }

  /// A port of loopback that stays silent for as long as the socket lives.
  private static func silentServer() async throws -> (UDPSocket, STUNServer) {
    let socket = try await UDPSocket.bind(to: loopback)
    return (socket, STUNServer(endpoint: socket.localEndpoint))
  }

  @Test func aServerWithTwoAddressesTellsEverything() async throws {
    try await Self.withService(addresses: [Self.first, Self.second], ports: [0, 0]) { service in
      let report = try await tryingAgain(until: { $0.filtering == .endpointIndependent }) {
        try await STUNClient.explore(
          servers: [STUNServer(endpoint: service.endpoints[0])], local: Self.loopback, budget: .seconds(20))
      }
      #expect(report.isTranslated == false)
      #expect(report.mapping == .endpointIndependent)
      #expect(report.filtering == .endpointIndependent)
      #expect(report.isPortPreserved == true)
      #expect(report.prospect == .everyPeer)
      #expect(report.confidence == .measured)
      #expect(report.servers[0].other == service.endpoints[3])
    }
  }

  @Test func thePublicEndpointOfOneSocketIsFoundAndTheSocketStaysUsable() async throws {
    try await Self.withService(addresses: [Self.first, Self.second], ports: [0, 0]) { service in
      let socket = try await UDPSocket.bind(to: .any(.v4))
      let report = try await STUNClient.discoverMapping(
        on: socket, servers: [STUNServer(endpoint: service.endpoints[0])], timeout: .seconds(20))
      #expect(report.publicEndpoint == Endpoint(address: Self.first, port: socket.localEndpoint.port))
      #expect(report.local == report.publicEndpoint)
      #expect(report.isTranslated == false)
      #expect(report.isPortPreserved)
      #expect(report.mapping == .endpointIndependent)
      try await socket.send(Transmit(to: report.publicEndpoint, payload: [1, 2]))
      while let datagram = try await socket.receive(until: MonotonicClock.now.advanced(by: .seconds(10))) {
        if datagram.payload == [1, 2] { break }
      }
      await socket.close()
    }
  }

  @Test func iPv6WorksAsWell() async throws {
    guard let local = IPAddress("::1"), let socket = try? await UDPSocket.bind(to: Endpoint(address: local, port: 0))
    else { return }
    try await Self.withService(addresses: [local], ports: [0]) { service in
      let report = try await STUNClient.discoverMapping(
        on: socket, servers: [STUNServer(endpoint: service.endpoints[0])], timeout: .seconds(20))
      #expect(report.publicEndpoint == socket.localEndpoint)
    }
    await socket.close()
  }

  @Test func deadServersAreNamedAndTheOthersUsed() async throws {
    let (dead, deadServer) = try await Self.silentServer()
    try await Self.withService(addresses: [Self.first], ports: [0]) { service in
      let report = try await STUNClient.explore(
        servers: [deadServer, STUNServer(endpoint: service.endpoints[0])], local: Self.loopback,
        // The dead one is given up after 1.6 s; the other has as long to answer on a busy machine.
        budget: .seconds(20), retransmission: .init(initialTimeout: .milliseconds(50), maximumRequests: 5))
      #expect(report.publicEndpoint != nil)
      #expect(report.servers.map(\.outcome.isFailure) == [true, false])
    }
    await dead.close()
  }

  @Test func whenNobodyAnswersTheErrorNamesEachServerAndItsFault() async throws {
    let (dead, deadServer) = try await Self.silentServer()
    let socket = try await UDPSocket.bind(to: Self.loopback)
    let foreign = STUNServer(endpoint: Endpoint(address: .v6(high: 0x2001_0DB8 << 32, low: 1), port: 3478))
    await #expect {
      try await STUNClient.discoverMapping(
        on: socket, servers: [deadServer, foreign], timeout: .milliseconds(50))
    } throws: { error in
      let error = error as? STUNError
      return error?.code == .noAnswer
        && error?.description.contains("\(deadServer) did not answer within") == true
        && error?.description.contains("2001:db8::1]:3478 cannot be reached") == true
    }
    await #expect(throws: STUNError.noServer) { try await STUNClient.discoverMapping(on: socket, servers: []) }
    await socket.close()
    await dead.close()
  }

  @Test func aCancelledDiscoveryEndsAndLeavesTheSocketUsable() async throws {
    let (dead, deadServer) = try await Self.silentServer()
    let socket = try await UDPSocket.bind(to: Self.loopback)
    let discovery = Task {
      try await STUNClient.discoverMapping(on: socket, servers: [deadServer], timeout: .seconds(600))
    }
    // It runs once its request has arrived.
    _ = try await dead.receive(until: .distantFuture)
    discovery.cancel()
    await #expect(throws: CancellationError.self) { try await discovery.value }
    try await dead.send(Transmit(to: socket.localEndpoint, payload: [9]))
    #expect(try await socket.receive(until: MonotonicClock.now.advanced(by: .seconds(10)))?.payload == [9])
    await socket.close()
    await dead.close()
  }

  @Test func aKeptMappingIsAskedForUntilCancelled() async throws {
    let (peer, server) = try await Self.silentServer()
    let socket = try await UDPSocket.bind(to: Self.loopback)
    let (changes, continuation) = AsyncStream.makeStream(of: Endpoint.self)
    let keeping = Task {
      try await STUNClient.keepMappingAlive(
        on: socket, server: server, every: .seconds(1), publicEndpoint: socket.localEndpoint
      ) { continuation.yield($0) }
    }
    let moved = Endpoint(address: .v4(0xCB00_7101), port: 7)
    try await peer.send(Transmit(to: socket.localEndpoint, payload: Array("stray".utf8)))
    // Every request is answered: on a busy machine an answer may come after the next request, and is void then.
    let answering = Task {
      while let request = try await peer.receive(until: .distantFuture) {
        guard let answer = NetworkExplorerTests.answer(request, [.xorMappedAddress(moved)]) else { continue }
        try await peer.send(Transmit(to: socket.localEndpoint, payload: answer))
      }
    }
    for await change in changes {
      #expect(change == moved)
      break
    }
    keeping.cancel()
    answering.cancel()
    await #expect(throws: CancellationError.self) { try await keeping.value }
    _ = await answering.result
    await socket.close()
    await peer.close()
  }

  @Test func namesAreResolvedAndBadOnesNamed() async throws {
    let names = ["localhost", "127.0.0.9:99", "no-such-host.invalid:1", "[::1]"].compactMap(HostAndPort.init)
    let (servers, failures) = await STUNServer.resolve(names, family: .v4)
    #expect(servers.map(\.description) == ["localhost:3478", "127.0.0.9:99"])
    #expect(servers.map(\.endpoint.description) == ["127.0.0.1:3478", "127.0.0.9:99"])
    #expect(failures.count == 2)
    #expect(failures.first?.description.contains("no-such-host.invalid:1") == true)
    #expect(failures.last?.description.contains("no IPv4 address") == true)
    #expect(await STUNServer.resolve([], family: .v4).servers.isEmpty)
  }

  @Test func aServiceThatCannotBindLeavesNothingBound() async throws {
    let foreign = IPAddress.v4(0xCB00_7101)
    await #expect(throws: UDPSocketError.self) {
      try await STUNService.bind(addresses: [Self.first, foreign], ports: [0])
    }
    let service = try await STUNService.bind(addresses: [Self.first], ports: [0, 0])
    await service.close()
    let again = try await STUNService.bind(addresses: [Self.first], ports: service.endpoints.map(\.port))
    #expect(again.endpoints == service.endpoints)
    await again.close()
  }
}
