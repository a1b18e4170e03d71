import Datagrams
import NIOCore
import NIOPosix
import Synchronization

/// A bound, unconnected UDP socket whose datagrams are pulled by one reader at a time.
///
/// It stays unconnected so that datagrams of many sources arrive, and so that ICMP errors (which low-TTL datagrams
/// call for on purpose) are not reported as failures of later calls. SO_REUSEADDR is not set: a UDP port is free in the
/// moment its socket is closed, and two sockets that share a port would steal each other's datagrams. Datagrams that
/// nobody pulls are dropped past a bound.
public final class UDPSocket: Sendable {
  /// The address that was asked for, with the port that the kernel gave.
  public let localEndpoint: Endpoint
  private let channel: any Channel
  private let inbox: NIOLoopBound<DatagramInbox>

  /// Binds a UDP socket; port 0 takes any free one.
  ///
  /// - Throws: ``UDPSocketError`` when the port is taken or the address is not of this host.
  public static func bind(
    to local: Endpoint, on group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
  ) async throws -> UDPSocket {
    // NIO does not close a channel that could not be bound.
    let unbound = Mutex<(any Channel)?>(nil)
    do {
      let eventLoop = group.next()
      let (channel, inbox) = try await DatagramBootstrap(group: eventLoop)
        .channelInitializer { channel in
          unbound.withLock { $0 = channel }
          return channel.eventLoop.makeSucceededVoidFuture()
        }
        .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 65_536))
        .bind(to: local.socketAddress())
        .flatMapThrowing { channel in
          let inbox = DatagramInbox(eventLoop: channel.eventLoop)
          try channel.pipeline.syncOperations.addHandler(inbox)
          return (channel, NIOLoopBound(inbox, eventLoop: channel.eventLoop))
        }.get()
      return UDPSocket(channel: channel, inbox: inbox, requested: local)
    } catch {
      try? await unbound.withLock { $0 }?.close()
      throw UDPSocketError(bindingTo: local, underlying: error)
    }
  }

  private init(channel: any Channel, inbox: NIOLoopBound<DatagramInbox>, requested: Endpoint) {
    self.channel = channel
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
  /// - Throws: the kernel's refusal, such as "network is unreachable". The socket stays usable.
  public func send(_ transmit: Transmit) async throws {
    guard transmit.destination.address.family == localEndpoint.address.family else {
      throw UDPSocketError(sendingTo: transmit.destination, from: localEndpoint)
    }
    let address = try transmit.destination.socketAddress()
    try await channel.eventLoop.flatSubmit { [channel, family = localEndpoint.address.family] in
      let envelope = AddressedEnvelope(
        remoteAddress: address, data: channel.allocator.buffer(bytes: transmit.payload))
      guard let hopLimit = transmit.hopLimit else { return channel.writeAndFlush(envelope) }
      return Self.send(envelope, hopLimit: hopLimit, family: family, over: channel)
    }.get()
  }

  /// Sets the hop limit for this one datagram. The write leaves in the same turn of the event loop, so that no other
  /// datagram gets it, unless the socket's buffer is full: then others may share it until this one has left.
  private static func send(
    _ envelope: AddressedEnvelope<ByteBuffer>, hopLimit: UInt8, family: IPAddress.Family, over channel: any Channel
  ) -> EventLoopFuture<Void> {
    let option: ChannelOptions.Types.SocketOption =
      family == .v4
      ? .init(level: .ip, name: .init(rawValue: IP_TTL)) : .init(level: .ipv6, name: .init(rawValue: IPV6_UNICAST_HOPS))
    do {
      guard let options = channel.syncOptions else { return channel.writeAndFlush(envelope) }
      try options.setOption(option, value: .init(hopLimit))
      let sent = channel.writeAndFlush(envelope)
      // -1 restores the system's default, for both families.
      sent.assumeIsolated().whenComplete { _ in try? options.setOption(option, value: -1) }
      return sent
    } catch {
      return channel.eventLoop.makeFailedFuture(error)
    }
  }

  /// Closes the socket and returns once the kernel has freed the port. Closing twice does nothing.
  public func close() async {
    try? await channel.close().get()
  }
}
