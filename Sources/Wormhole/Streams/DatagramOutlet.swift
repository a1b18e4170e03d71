import NIOCore

/// The way out of a UDP socket. What the network does not take at once waits here, within a bound, and what comes beyond is dropped, as it
/// would be by any other path: a tunnel may be faster than the interface behind it.
///
/// The channel's own `isWritable` does not serve for that. NIO counts bytes, so empty datagrams could wait without end, and a channel stays
/// unwritable when the last datagrams that waited could not be sent. Lives on the channel's event loop.
final class DatagramOutlet {
  private let channel: any Channel
  /// What waits in the channel, bytes, ``overhead`` among them.
  private(set) var waiting = 0

  /// A tenth of a second of 20 Mbit/s, as in the other direction.
  static let limit = 256 << 10
  /// What a datagram costs beside its bytes: NIO's entry and the promise.
  static let overhead = 256

  init(_ channel: any Channel) { self.channel = channel }

  /// Sends a datagram with the next ``flush()``, or drops it.
  func write(_ datagram: ByteBuffer, to destination: SocketAddress) {
    let cost = datagram.readableBytes + Self.overhead
    // More may come at once than may wait, and the kernel may have room for it.
    if waiting + cost > Self.limit { flush() }
    guard waiting + cost <= Self.limit else { return }
    waiting += cost
    let sent = channel.eventLoop.makePromise(of: Void.self)
    sent.futureResult.assumeIsolated().whenComplete { _ in self.waiting -= cost }
    channel.write(AddressedEnvelope(remoteAddress: destination, data: datagram), promise: sent)
  }

  func flush() { channel.flush() }
}
