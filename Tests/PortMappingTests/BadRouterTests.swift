import DatagramSockets
import Datagrams
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import PortMapping

/// Routers that lie, answer garbage or without end. Each has a loopback address of its own, for the ports are fixed.
@Suite(.serialized) struct BadRouterTests {
  private let request = MappingRequest(inner: 4000, lifetime: .seconds(600))

  /// Plays a router that answers each datagram to a port, while `body` runs.
  private func withRouter(
    _ number: UInt32, port: UInt16, answering answer: @escaping @Sendable ([UInt8]) -> [[UInt8]],
    _ body: (NetworkPlace) async throws -> Void
  ) async throws {
    let address = IPAddress.v4(0x7F17_0000 + number)
    let socket = try await UDPSocket.bind(to: Endpoint(address: address, port: port))
    try await withThrowingTaskGroup { group in
      group.addTask {
        while let datagram = try? await socket.receive(until: .distantFuture) {
          for payload in answer(datagram.payload) {
            try await socket.send(Transmit(to: datagram.source, payload: payload))
          }
        }
      }
      defer { group.cancelAll() }
      try await body(NetworkPlace(router: address, local: .v4(0x7F00_0001)))
    }
    await socket.close()
  }

  /// What a router of PCP would answer to a request for a port, but for what `change` makes of it.
  private func pcp(_ asked: [UInt8], _ change: (inout [UInt8]) -> Void) -> [[UInt8]] {
    guard asked.count == 60 else { return [[2, 0x80, 0, 0] + [UInt8](repeating: 0, count: 20)] }
    var answer = asked
    answer[1] = 0x81
    answer.replaceSubrange(8..<24, with: [UInt8](repeating: 0, count: 16))
    answer.replaceSubrange(56..<60, with: [203, 0, 113, 10])
    change(&answer)
    return [answer]
  }

  @Test func aRouterThatDoesWhatItIsAskedIsBelieved() async throws {
    try await withRouter(1, port: PCPMessage.port) {
      pcp($0) { _ in }
    } _: { place in
      let mapped = try await PCPService.find(at: place).map(request)
      #expect(mapped.external == Endpoint("203.0.113.10:4000") && mapped.lifetime == .seconds(600))
    }
  }

  @Test(
    arguments: [
      (2, "no lifetime", 4, [0, 0, 0, 0]), (3, "no address", 56, [0, 0, 0, 0]),
      (4, "a multicast address", 56, [239, 0, 0, 1]),
      (5, "its loopback", 56, [127, 0, 0, 1]), (6, "port 0", 42, [0, 0]),
    ] as [(UInt32, String, Int, [UInt8])])
  func whatCannotBeIsNotTakenByPCP(_ number: UInt32, _ what: String, _ offset: Int, _ bytes: [UInt8]) async throws {
    try await withRouter(number, port: PCPMessage.port) { asked in
      pcp(asked) { $0.replaceSubrange(offset..<offset + bytes.count, with: bytes) }
    } _: { place in
      let service = try await PCPService.find(at: place)
      let error = await #expect(throws: PortMappingError.self) { try await service.map(request) }
      #expect(error?.code == .unusableAnswer)
    }
  }

  @Test func aDayIsTheLongestThatIsBelieved() async throws {
    try await withRouter(7, port: PCPMessage.port) { asked in
      pcp(asked) { $0.replaceSubrange(4..<8, with: [255, 255, 255, 255]) }
    } _: { place in
      let mapped = try await PCPService.find(at: place).map(request)
      #expect(mapped.lifetime == .seconds(86_400))
    }
  }

  @Test func aRefusalSaysForHowLong() async throws {
    try await withRouter(8, port: PCPMessage.port) { asked in
      pcp(asked) { ($0[3], $0[6], $0[7]) = (2, 0, 30) }
    } _: { place in
      let service = try await PCPService.find(at: place)
      let error = await #expect(throws: PortMappingError.self) { try await service.map(request) }
      #expect(error?.code == .refused && error?.pause == .seconds(30))
    }
  }

  @Test func aFloodOfGarbageIsOverInTime() async throws {
    try await withRouter(9, port: PCPMessage.port) { _ in
      (0..<50).map { length in [UInt8](repeating: UInt8(truncatingIfNeeded: length), count: length * 7) }
    } _: { place in
      let start = MonotonicClock.now
      await #expect(throws: PortMappingError.self) { try await PCPService.find(at: place) }
      await #expect(throws: PortMappingError.self) { try await NATPMPService.find(at: place) }
      // Each has a second; the rest is for a busy machine.
      #expect(start.duration(to: MonotonicClock.now) < .seconds(20))
    }
  }

  @Test func aRouterOfNATPMPIsUnderstood() async throws {
    try await withRouter(10, port: PCPMessage.port) { asked in
      asked.count == 2
        ? [[0, 128, 0, 0, 0, 0, 0, 9, 203, 0, 113, 10]]
        : [[0, 129, 0, 0, 0, 0, 0, 9] + asked[4..<8] + [0, 0, 2, 0x58]]
    } _: { place in
      let mapped = try await NATPMPService.find(at: place).map(request)
      #expect(mapped.external == Endpoint("203.0.113.10:4000") && mapped.lifetime == .seconds(600))
    }
  }

  @Test func anotherPortIsNotTakenByNATPMP() async throws {
    try await withRouter(11, port: PCPMessage.port) { asked in
      asked.count == 2
        ? [[0, 128, 0, 0, 0, 0, 0, 9, 203, 0, 113, 10]] : [[0, 129, 0, 0, 0, 0, 0, 9, 1, 1, 2, 2, 0, 0, 2, 0x58]]
    } _: { place in
      let service = try await NATPMPService.find(at: place)
      let error = await #expect(throws: PortMappingError.self) { try await service.map(request) }
      #expect(error?.code == .unusableAnswer)
    }
  }

  @Test func aClosedPortIsNoticedAtOnce() async throws {
    let place = NetworkPlace(router: .v4(0x7F17_00FF), local: .v4(0x7F00_0001))
    let error = await #expect(throws: PortMappingError.self) { try await NATPMPService.find(at: place) }
    #expect(error?.code == .closed)
  }

  @Test(arguments: [false, true]) func aWebServerWithoutAnEndIsLeft(_ isSlow: Bool) async throws {
    let address = IPAddress.v4(0x7F17_0020 + (isSlow ? 1 : 0))
    let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(EndlessServer(isSlow: isSlow))
        }
      }
      .bind(host: "\(address)", port: 0).get()
    let url = try #require(DeviceURL("http://\(address):\(server.localAddress?.port ?? 0)/d.xml", of: address))
    let error = await #expect(throws: DeviceHTTPError.self) {
      try await DeviceHTTP.ask(url, of: address, method: .GET, patience: isSlow ? .milliseconds(300) : .seconds(20))
    }
    #expect(error == (isSlow ? .late : .tooLong))
    try await server.close()
  }

  /// Says that the answer has no end, and sends it: at once, or a byte now and then.
  private final class EndlessServer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let isSlow: Bool
    init(isSlow: Bool) { self.isSlow = isSlow }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      context.channel.writeAndFlush(ByteBuffer(string: "HTTP/1.1 200 OK\r\n\r\n"), promise: nil)
      let (channel, isSlow) = (context.channel, isSlow)
      channel.eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(isSlow ? 20 : 1)) { task in
        guard channel.isActive else { return task.cancel() }
        channel.writeAndFlush(ByteBuffer(repeating: 0x20, count: isSlow ? 1 : 32 << 10), promise: nil)
      }
    }
  }
}
