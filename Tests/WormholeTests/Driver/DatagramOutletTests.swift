import DatagramSockets
import Datagrams
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import Wormhole

/// The way out of a UDP socket when the network behind it is slow.
@Suite(.timeLimit(.minutes(2))) struct DatagramOutletTests {
  /// Takes nothing until it is opened, as a socket whose buffer is full.
  private final class Valve: ChannelOutboundHandler, Sendable {
    typealias OutboundIn = AddressedEnvelope<ByteBuffer>

    let isOpen = Atomic(false)

    func flush(context: ChannelHandlerContext) { if isOpen.load(ordering: .relaxed) { context.flush() } }
  }

  @Test(arguments: [0, 20, 1200, 60_000])
  func whatTheNetworkDoesNotTakeIsBoundedAndItGoesOnAfterwards(size: Int) async throws {
    let loop = MultiThreadedEventLoopGroup.singleton.next()
    let valve = Valve()
    let channel = try await DatagramBootstrap(group: loop)
      .channelInitializer { $0.pipeline.addHandler(valve) }
      .bind(to: SocketAddress(ipAddress: "127.0.0.1", port: 0)).get()
    let receiver = try await UDPSocket.bind(to: Endpoint(address: .v4(0x7F00_0001), port: 0))
    let destination = try SocketAddress(ipAddress: "127.0.0.1", port: Int(receiver.localEndpoint.port))
    let outlet = try await loop.submit { NIOLoopBound(DatagramOutlet(channel), eventLoop: loop) }.get()
    let waiting = try await loop.submit {
      let datagram = ByteBuffer(repeating: 7, count: size)
      for _ in 0..<3000 {
        outlet.value.write(datagram, to: destination)
        outlet.value.flush()
      }
      return outlet.value.waiting
    }.get()
    #expect(waiting <= DatagramOutlet.limit && waiting > DatagramOutlet.limit / 2)
    #expect(try await channel.getOption(.bufferedWritableBytes).get() <= waiting)
    valve.isOpen.store(true, ordering: .relaxed)
    let arrives = try await eventually {
      try await loop.submit {
        outlet.value.write(ByteBuffer(string: "after"), to: destination)
        outlet.value.flush()
      }.get()
      while let datagram = try await receiver.receive(until: MonotonicClock.now.advanced(by: .milliseconds(100))) {
        if datagram.payload == Array("after".utf8) { return true }
      }
      return false
    }
    #expect(arrives)
    #expect(try await eventually { try await loop.submit { outlet.value.waiting }.get() == 0 })
    try await channel.close()
    await receiver.close()
  }
}
