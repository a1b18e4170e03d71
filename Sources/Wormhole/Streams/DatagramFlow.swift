import NIOCore

/// The datagrams between one client and one service as the local side of a stream. In the stream each has its length before it, in two
/// bytes.
///
/// The tunnel loses nothing, but datagrams that come faster than it takes them are dropped here, as they would be by any other path:
/// what is late is of no use to who sent it. Those that come out of it faster than the network takes them are dropped by
/// ``DatagramOutlet``, so that credit can be given for all of them at once.
final class DatagramFlow: LocalSide {
  private var stream: (tunnel: TunnelHandler, id: UInt32)?
  /// Sends a datagram on this machine, or drops it; nil until the socket is there.
  var output: ((ByteBuffer) -> Void)? { didSet { sendEarly() } }
  /// Called at the end of some datagrams.
  var flushOutput: (() -> Void)?
  /// Whether the flow has its stream.
  var isOpen: Bool { stream != nil }
  /// Called once when the flow is over.
  var onEnd: (() -> Void)?

  private var reader = DatagramReader()
  private var early: [ByteBuffer] = []
  /// When a datagram went through last.
  private(set) var lastUse = NIODeadline.now()
  private var idleCheck: Scheduled<Void>?
  var isTouched = false

  /// RFC 4787 asks NATs to hold a UDP mapping for two minutes at least.
  static let idleTime = TimeAmount.minutes(2)
  /// A tenth of a second of 20 Mbit/s.
  private static let queueLimit = 256 << 10
  /// Datagrams that come before the service's socket is there.
  private static let earlyLimit = 16

  func begin(_ id: UInt32, of tunnel: TunnelHandler, on eventLoop: any EventLoop) {
    stream = (tunnel, id)
    checkIdle(eventLoop, at: .now() + Self.idleTime)
  }

  private func checkIdle(_ eventLoop: any EventLoop, at deadline: NIODeadline) {
    idleCheck = eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [weak self] in
      guard let self else { return }
      let next = lastUse + Self.idleTime
      if next <= .now() {
        cut(for: CloseReason(.idle, "no datagram for two minutes"))
      } else {
        checkIdle(eventLoop, at: next)
      }
    }
  }

  /// Sends a datagram of this machine through the tunnel, or drops it.
  func send(_ datagram: ByteBuffer) {
    lastUse = .now()
    guard let stream, let length = UInt16(exactly: datagram.readableBytes),
      stream.tunnel.queued(on: stream.id) < Self.queueLimit
    else { return }
    var framed = ByteBuffer()
    framed.reserveCapacity(datagram.readableBytes + 2)
    framed.writeInteger(length)
    framed.writeImmutableBuffer(datagram)
    stream.tunnel.send(framed, on: stream.id)
  }

  /// Ends the flow from this side.
  func cut(for reason: CloseReason) { end { $0.cut($1, for: reason) } }

  func receive(_ bytes: ByteBuffer) {
    lastUse = .now()
    reader.append(bytes)
    while let datagram = reader.next() {
      if let output { output(datagram) } else if early.count < Self.earlyLimit { early.append(datagram) }
    }
    if let stream { stream.tunnel.deliver(bytes.readableBytes, on: stream.id) }
  }

  private func sendEarly() {
    guard let output else { return }
    for datagram in early { output(datagram) }
    early.removeAll()
    flush()
  }

  func flush() { flushOutput?() }

  func finish() { end { $0.release($1) } }

  func close(_ reason: CloseReason?) { end { $0.release($1) } }

  func resume() {}

  private func end(_ leave: (TunnelHandler, UInt32) -> Void) {
    guard let stream else { return }
    self.stream = nil
    idleCheck?.cancel()
    leave(stream.tunnel, stream.id)
    onEnd?()
    onEnd = nil
    output = nil
    flushOutput = nil
  }
}

/// Cuts a stream into the datagrams that it is made of. It holds one incomplete datagram at most, 64 KiB.
struct DatagramReader {
  private var buffer = ByteBuffer()

  mutating func append(_ bytes: ByteBuffer) {
    buffer.discardReadBytes()
    buffer.writeImmutableBuffer(bytes)
  }

  /// The next datagram that is whole.
  mutating func next() -> ByteBuffer? { buffer.readLengthPrefixedSlice(as: UInt16.self) }
}
