import NIOCore
import NIOPosix

extension TCPSide {
  /// What the channel of a side is made with.
  static func prepare(_ bootstrap: ClientBootstrap) -> ClientBootstrap {
    bootstrap.channelOption(.autoRead, value: false)
      .channelOption(.allowRemoteHalfClosure, value: true)
      .channelOption(.maxMessagesPerRead, value: 1)
      .channelOption(.recvAllocator, value: reading)
      .channelOption(.writeBufferWaterMark, value: waterMark)
      .channelOption(.tcpOption(.tcp_nodelay), value: 1)
      .channelOption(.socketOption(.so_keepalive), value: 1)
  }

  /// What the channels of accepted clients are made with.
  static func prepare(_ bootstrap: ServerBootstrap) -> ServerBootstrap {
    bootstrap.childChannelOption(.autoRead, value: false)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .childChannelOption(.maxMessagesPerRead, value: 1)
      .childChannelOption(.recvAllocator, value: reading)
      .childChannelOption(.writeBufferWaterMark, value: waterMark)
      .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
      .childChannelOption(.socketOption(.so_keepalive), value: 1)
  }

  /// One read fills one frame of a stream that is alone.
  private static let reading = AdaptiveRecvByteBufferAllocator(
    minimum: 1024, initial: 8192, maximum: SessionLimits.soleQuantum)
  /// Writable means that nothing waits.
  private static let waterMark = ChannelOptions.Types.WriteBufferWaterMark(low: 1, high: 1)
}
