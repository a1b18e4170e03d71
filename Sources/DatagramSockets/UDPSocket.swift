import CDatagramSockets
import Datagrams
import LibC
import NIOCore
import NIOPosix
import Synchronization

/// A bound, unconnected UDP socket whose datagrams are pulled by one reader at a time.
///
/// It stays unconnected so that datagrams of many sources arrive, and so that ICMP errors (which low-TTL datagrams
/// call for on purpose) are not reported as failures of later calls. SO_REUSEADDR is not set: a UDP port is free in the
/// moment its socket is closed, and two sockets that share a port would steal each other's datagrams. Datagrams that
/// nobody pulls are dropped past a bound.
///
/// SwiftNIO reads and waits. Sending goes to the kernel directly: NIO closes a channel whose send fails, and a passage must outlive
/// the moment in which a laptop has no network.
public final class UDPSocket: Sendable {
  /// The address that was asked for, with the port that the kernel gave.
  public let localEndpoint: Endpoint
  private let channel: any Channel
  /// Where its datagrams come.
  public var eventLoop: any EventLoop { channel.eventLoop }
  /// Valid for as long as the channel is open, which is checked on its event loop.
  private let descriptor: CInt
  private let inbox: NIOLoopBound<DatagramInbox>
  private let companions = Mutex<[any SocketCompanion]>([])

  /// Binds a UDP socket; port 0 takes any free one.
  ///
  /// - Throws: ``UDPSocketError`` when the port is taken or the address is not of this host.
  public static func bind(
    to local: Endpoint, on group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
  ) async throws -> UDPSocket {
    let descriptor = SocketName(local).withSocketAddress { plexus_udp_bind($0, $1) }
    guard descriptor >= 0 else { throw UDPSocketError(bindingTo: local, errno: -descriptor) }
    do {
      let eventLoop = group.next()
      let (channel, inbox) = try await DatagramBootstrap(group: eventLoop)
        .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 65_536))
        .withBoundSocket(descriptor)
        .flatMapThrowing { channel in
          let inbox = DatagramInbox(eventLoop: channel.eventLoop)
          try channel.pipeline.syncOperations.addHandler(inbox)
          return (channel, NIOLoopBound(inbox, eventLoop: channel.eventLoop))
        }.get()
      return UDPSocket(channel: channel, descriptor: descriptor, inbox: inbox, requested: local)
    } catch {
      throw UDPSocketError(bindingTo: local, errno: (error as? IOError)?.errnoCode ?? EIO)
    }
  }

  private init(channel: any Channel, descriptor: CInt, inbox: NIOLoopBound<DatagramInbox>, requested: Endpoint) {
    self.channel = channel
    self.descriptor = descriptor
    self.inbox = inbox
    self.localEndpoint = channel.localAddress.flatMap(Endpoint.init) ?? requested
  }

  /// The next datagram, or nil once `deadline` has passed without one.
  ///
  /// - Throws: `CancellationError` when the task is cancelled, `ChannelError.ioOnClosedChannel` once the socket is closed.
  public func receive(until deadline: Instant) async throws -> Datagram? {
    let waiter = DatagramInbox.WaiterID()
    return try await withTaskCancellationHandler {
      try Task.checkCancellation()
      return try await withCheckedThrowingContinuation { continuation in
        channel.eventLoop.execute { [inbox] in
          inbox.value.wait(for: waiter, until: deadline, resume: continuation)
        }
      }
    } onCancel: { [inbox, channel] in
      channel.eventLoop.execute { inbox.value.cancel(waiter) }
    }
  }

  /// Sends one datagram and returns once the kernel has taken it.
  ///
  /// - Throws: ``UDPSocketError`` for the kernel's refusal, such as "network is unreachable". The socket stays usable.
  public func send(_ transmit: Transmit) async throws {
    guard transmit.destination.address.family == localEndpoint.address.family else {
      throw UDPSocketError(sendingTo: transmit.destination, from: localEndpoint)
    }
    let name = SocketName(transmit.destination)
    // A full socket buffer empties within milliseconds.
    for attempt in 1...100 {
      let failure = try await channel.eventLoop.submit { [channel, descriptor] in
        guard channel.isActive else { throw ChannelError.ioOnClosedChannel }
        return transmit.payload.withUnsafeBytes { bytes in
          name.withSocketAddress {
            plexus_udp_send(descriptor, bytes.baseAddress, bytes.count, 0, CInt(transmit.hopLimit ?? 0), $0, $1)
          }
        }
      }.get()
      guard failure != 0 else { return }
      guard failure == EAGAIN, attempt < 100 else {
        throw UDPSocketError(sendingTo: transmit.destination, errno: failure)
      }
      try await Task.sleep(for: .milliseconds(1))
    }
  }

  /// Closes the socket and returns once the kernel has freed the port, and what belongs to the socket has ended. Closing twice does nothing.
  public func close() async {
    try? await channel.close().get()
    for companion in companions.withLock({ $0 }) { await companion.socketDidClose() }
  }

  /// Lets something end with the socket.
  package func attach(_ companion: any SocketCompanion) { companions.withLock { $0.append(companion) } }

  /// Takes away what was to end with the socket: the caller has to end it.
  package func detachCompanions() -> [any SocketCompanion] {
    companions.withLock { companions in
      defer { companions = [] }
      return companions
    }
  }

  /// Hands the socket to a handler that reads its datagrams from now on, those that nobody pulled included.
  ///
  /// The ``UDPSocket`` keeps being what closes the socket; its ``receive(until:)`` must not be called any more.
  ///
  /// - Parameter makeHandler: Called on the socket's event loop, with the channel and the descriptor, which is valid as long as the
  ///   channel is open.
  /// - Throws: `ChannelError.ioOnClosedChannel` if the socket was closed.
  package func handOver<Handler: ChannelInboundHandler & SendableMetatype>(
    _ makeHandler: @escaping @Sendable (any Channel, CInt) throws -> Handler
  ) async throws -> NIOLoopBound<Handler> where Handler.InboundIn == AddressedEnvelope<ByteBuffer> {
    try await channel.eventLoop.flatSubmit { [channel, descriptor, inbox] in
      guard channel.isActive else { return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel) }
      do {
        let handler = try makeHandler(channel, descriptor)
        let bound = NIOLoopBound(handler, eventLoop: channel.eventLoop)
        try channel.pipeline.syncOperations.addHandler(handler)
        return inbox.value.retire().map { bound }
      } catch {
        return channel.eventLoop.makeFailedFuture(error)
      }
    }.get()
  }
}

/// What belongs to a socket and ends with it, such as a router's forwarding of its port.
package protocol SocketCompanion: Sendable {
  /// Called when the socket is closed, each time that is asked for; the end of the closing waits for it.
  func socketDidClose() async
}
