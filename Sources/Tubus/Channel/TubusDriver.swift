import CDatagramSockets
import DatagramSockets
import Datagrams
import HeapModule
import LibC
import NIOCore

/// Carries the connections of one UDP socket: reads its datagrams, sends theirs, wakes them up. Lives on the event loop.
final class TubusDriver: ChannelInboundHandler {
  typealias InboundIn = AddressedEnvelope<ByteBuffer>

  let channel: any Channel
  private let descriptor: CInt
  let eventLoop: any EventLoop
  private let bufferLimit: Int
  var peers: [Endpoint: Peer] = [:]
  /// Peers that may have begun anew: they replace the old once they are proved, or take its place where it goes before. Each stands
  /// beside a peer of the same address.
  var challengers: [Endpoint: Peer] = [:]
  var unproven: [Endpoint] = []
  /// Connections that have ended while something of them is still to be read. They count among the others, and so does what they hold:
  /// peers that come, write and go must not fill the memory.
  private(set) var unread: [ObjectIdentifier: Peer] = [:]
  var acceptance: Acceptance?
  private var touched: [Peer] = []
  var deadlines = Heap<Deadline>()
  var timer: (at: Instant, task: Scheduled<Void>)?
  private var batch = DatagramBatch()
  private var bufferedBytes = 0
  private var mayFragment: Bool?
  private var hasSegmentation: Bool

  init(channel: any Channel, descriptor: CInt, bufferLimit: Int, hasSegmentation: Bool) {
    self.channel = channel
    self.descriptor = descriptor
    self.bufferLimit = bufferLimit
    self.hasSegmentation = hasSegmentation
    eventLoop = channel.eventLoop
    // The bursts of a gigabit a second: the default of 212 KB holds three of the kernel's segmented buffers.
    plexus_udp_set_buffers(descriptor, 4 << 20, 1 << 20)
  }

  var now: Instant { MonotonicClock.now }

  /// How many connections there are.
  var count: Int { peers.count }

  // MARK: Connecting

  /// Links to a peer. `onLinked` is called once: with nil when it has answered.
  func connect(
    to endpoint: Endpoint, _ configuration: TubusConfiguration, onLinked: @escaping (TubusEnding?) -> Void
  ) throws -> TubusChannel {
    try checkOpen()
    guard peers[endpoint] == nil else { throw TubusEndpointError.alreadyConnected(endpoint) }
    let connection = TubusConnection(
      role: .connector, configuration: configuration, seed: .random(in: .min ... .max), now: now)
    let peer = makePeer(connection, endpoint)
    peer.onLinked = onLinked
    peers[endpoint] = peer
    serve(peer)
    return peer.channel
  }

  /// The descriptor of a closed socket may be another's by now.
  func checkOpen() throws {
    guard channel.isActive else { throw ChannelError.ioOnClosedChannel }
  }

  func makePeer(_ connection: TubusConnection, _ endpoint: Endpoint) -> Peer {
    Peer(
      channel: TubusChannel(connection: connection, remote: endpoint, driver: self, parent: channel),
      name: SocketName(endpoint))
  }

  // MARK: Moving

  /// Takes over a connection from another driver of this event loop.
  func adopt(_ moved: TubusChannel, at endpoint: Endpoint) throws {
    try checkOpen()
    guard peers[endpoint] == nil else { throw TubusEndpointError.alreadyConnected(endpoint) }
    moved.move(to: self, socket: channel, remote: endpoint)
    let peer = Peer(channel: moved, name: SocketName(endpoint))
    peers[endpoint] = peer
    serve(peer)
  }

  /// Lets go of a connection that another driver takes over.
  func release(_ moved: TubusChannel) {
    guard let peer = peers[moved.remoteEndpoint], peer.channel === moved else { return }
    remove(peer, at: moved.remoteEndpoint)
    touched.removeAll { $0 === peer }
  }

  // MARK: Receiving

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let envelope = unwrapInboundIn(data)
    guard let source = Endpoint(envelope.remoteAddress) else { return }
    let segment = envelope.metadata?.segmentSize ?? envelope.data.readableBytes
    guard segment > 0 else { return }
    let now = now
    // Not mutable: NIO's pool of buffers shares this one, and would have it copied.
    envelope.data.withUnsafeReadableBytes { bytes in
      var start = 0
      while start < bytes.count {
        if let peer = peers[source] { start = receive(bytes, from: start, segment: segment, peer, now: now) }
        guard start < bytes.count else { return }
        let end = min(start + segment, bytes.count)
        meet(UnsafeRawBufferPointer(rebasing: bytes[start..<end]), from: source, now: now)
        start = end
      }
    }
  }

  /// Takes datagrams of a peer, which the kernel may have put together. Returns where it stopped, because a datagram is not the
  /// peer's.
  func receive(
    _ bytes: UnsafeRawBufferPointer, from start: Int, segment: Int, _ peer: Peer, now: Instant
  ) -> Int {
    let channel = peer.channel
    channel.connection.receiveAllowance = peer.buffered + freeBytes
    var start = start
    while start < bytes.count {
      let end = min(start + segment, bytes.count)
      guard channel.connection.receive(UnsafeRawBufferPointer(rebasing: bytes[start..<end]), now: now) == .taken
      else { break }
      start = end
    }
    account(for: peer)
    touch(peer)
    return start
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    let served = touched
    touched.removeAll(keepingCapacity: true)
    for peer in served {
      peer.isTouched = false
      serve(peer)
    }
  }

  func touch(_ peer: Peer) {
    guard !peer.isTouched else { return }
    peer.isTouched = true
    touched.append(peer)
  }

  // MARK: Serving

  /// The application did something.
  func serve(_ channel: TubusChannel) {
    guard let peer = peers[channel.remoteEndpoint], peer.channel === channel else { return }
    serve(peer)
  }

  /// Lets a connection do all that it can do now. Handlers that are called on the way may come back here.
  func serve(_ peer: Peer) {
    guard !peer.isServing else {
      peer.needsService = true
      return
    }
    peer.isServing = true
    let channel = peer.channel
    repeat {
      peer.needsService = false
      takeEvents(of: peer)
      channel.deliver()
      while channel.connection.pollTransmit(into: &batch, now: now) { send(to: peer) }
      takeEvents(of: peer)
      // Room for writes may bring new ones, which then ask for service.
      channel.update()
    } while peer.needsService
    peer.isServing = false
    if channel.connection.isFinished {
      remove(peer, at: channel.remoteEndpoint)
    } else {
      account(for: peer)
      schedule(peer)
    }
  }

  /// What all connections together may still buffer, bytes.
  var freeBytes: Int { max(bufferLimit - bufferedBytes, 0) }

  private func account(for peer: Peer) {
    let buffered = peer.channel.connection.bufferedBytes
    bufferedBytes += buffered - peer.buffered
    peer.buffered = buffered
  }

  func takeEvents(of peer: Peer) {
    while let event = peer.channel.connection.pollEvent() {
      switch event {
      case .linked: linked(peer)
      case .closed(let ending):
        if let onLinked = peer.onLinked {
          peer.onLinked = nil
          onLinked(ending)
        }
        peer.channel.end(ending)
      }
    }
  }

  /// Lets go of a connection, for which nothing is sent or received any more. May be called again.
  func remove(_ peer: Peer, at endpoint: Endpoint) {
    if challengers[endpoint] === peer { challengers[endpoint] = nil }
    if peers[endpoint] === peer {
      peers[endpoint] = nil
      if !peer.channel.connection.isPeerProven { unproven.removeAll { $0 == endpoint } }
      if let challenger = challengers.removeValue(forKey: endpoint) {
        peers[endpoint] = challenger
        unproven.append(endpoint)
      }
    }
    peer.scheduled = nil
    if peer.channel.isUnread {
      unread[ObjectIdentifier(peer.channel)] = peer
      account(for: peer)
    } else {
      discount(peer)
    }
  }

  /// Something was read of a channel whose connection has ended.
  func didRead(_ channel: TubusChannel) {
    if let peer = unread[ObjectIdentifier(channel)] { account(for: peer) }
  }

  /// A channel has ended for its user, too.
  func forget(_ channel: TubusChannel) {
    if let peer = unread.removeValue(forKey: ObjectIdentifier(channel)) { discount(peer) }
  }

  private func discount(_ peer: Peer) {
    bufferedBytes -= peer.buffered
    peer.buffered = 0
  }

  // MARK: Sending

  private func send(to peer: Peer) {
    if batch.mayBeFragmented != mayFragment {
      mayFragment = batch.mayBeFragmented
      _ = plexus_udp_set_fragmentation(descriptor, peer.name.family, batch.mayBeFragmented ? 1 : 0)
    }
    if hasSegmentation || batch.count == 1 {
      let failure = transmit(batch.bytes, segment: batch.count > 1 ? UInt16(batch.segmentSize) : 0, to: peer)
      switch failure {
      case EIO, EINVAL, EOPNOTSUPP, ENOPROTOOPT:
        // Some devices cannot segment; the kernel says so only here.
        guard batch.count > 1 else { return }
        hasSegmentation = false
      case EMSGSIZE: return peer.channel.connection.handleTooLarge(batch.segmentSize, now: now)
      // A full buffer, no route for the moment: as if lost on the way.
      default: return
      }
    }
    batch.forEach { datagram in
      if transmit(datagram, segment: 0, to: peer) == EMSGSIZE {
        peer.channel.connection.handleTooLarge(datagram.count, now: now)
      }
    }
  }

  private func transmit(_ bytes: UnsafeRawBufferPointer, segment: UInt16, to peer: Peer) -> CInt {
    peer.name.withSocketAddress {
      plexus_udp_send(descriptor, bytes.baseAddress, bytes.count, segment, 0, $0, $1)
    }
  }

  // MARK: The end

  func channelInactive(context: ChannelHandlerContext) {
    timer?.task.cancel()
    timer = nil
    acceptance?.end()
    acceptance = nil
    let all = Array(peers.values) + Array(challengers.values)
    peers = [:]
    challengers = [:]
    deadlines = []
    for peer in all {
      peer.onLinked?(.aborted)
      peer.onLinked = nil
      peer.channel.end(.aborted)
    }
    for peer in Array(unread.values) { peer.channel.drop() }
    context.fireChannelInactive()
  }

  /// An unconnected UDP socket outlives the errors of single reads.
  func errorCaught(context: ChannelHandlerContext, error: any Error) {}
}
