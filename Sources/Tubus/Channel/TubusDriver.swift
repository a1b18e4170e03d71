import CDatagramSockets
import DatagramSockets
import Datagrams
import Glibc
import HeapModule
import NIOCore

/// Carries the connections of one UDP socket: reads its datagrams, sends theirs, wakes them up. Lives on the event loop.
final class TubusDriver: ChannelInboundHandler {
  typealias InboundIn = AddressedEnvelope<ByteBuffer>

  /// What is needed to take on peers that come by themselves.
  struct Acceptance {
    let configuration: TubusConfiguration
    /// The only address a peer may come from; nil for any.
    let peer: Endpoint?
    let maximumConnections: Int
    /// Sets a channel up and hands it to its user.
    let accept: (TubusChannel) -> Void
    /// Nobody will come any more.
    let end: () -> Void
  }

  private final class Peer {
    let channel: TubusChannel
    let name: SocketName
    /// The earliest entry of `deadlines` that counts.
    var scheduled: Instant?
    var isTouched = false
    var isServing = false
    /// Somebody asked to serve it while it was served.
    var needsService = false
    /// What it counts for in `bufferedBytes`.
    var buffered = 0
    /// What to do when the peer has answered, or never does.
    var onLinked: ((TubusEnding?) -> Void)?

    init(channel: TubusChannel, name: SocketName) { (self.channel, self.name) = (channel, name) }
  }

  private struct Deadline: Comparable {
    let at: Instant
    let peer: Peer
    static func < (left: Deadline, right: Deadline) -> Bool { left.at < right.at }
    static func == (left: Deadline, right: Deadline) -> Bool { left.at == right.at }
  }

  /// Peers that sent a link and have not shown yet that they are where they say. Forged links come as fast as one likes; each costs a
  /// kilobyte for as long as there is room.
  private static let maximumUnproven = 128

  private let channel: any Channel
  private let descriptor: CInt
  private let eventLoop: any EventLoop
  private let bufferLimit: Int
  private var peers: [Endpoint: Peer] = [:]
  /// Peers that may have begun anew: they replace the old once they are proved.
  private var challengers: [Endpoint: Peer] = [:]
  private var unproven: [Endpoint] = []
  private var acceptance: Acceptance?
  private var touched: [Peer] = []
  private var deadlines = Heap<Deadline>()
  private var timer: (at: Instant, task: Scheduled<Void>)?
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

  // MARK: Connecting and accepting

  /// Links to a peer. `onLinked` is called once: with nil when it has answered.
  func connect(
    to endpoint: Endpoint, _ configuration: TubusConfiguration, onLinked: @escaping (TubusEnding?) -> Void
  ) throws -> TubusChannel {
    guard peers[endpoint] == nil else { throw TubusEndpointError.alreadyConnected(endpoint) }
    let connection = TubusConnection(
      role: .connector, configuration: configuration, seed: .random(in: .min ... .max), now: now)
    let peer = makePeer(connection, endpoint)
    peer.onLinked = onLinked
    peers[endpoint] = peer
    serve(peer)
    return peer.channel
  }

  func accept(_ acceptance: Acceptance?) throws {
    guard acceptance == nil || self.acceptance == nil else { throw TubusEndpointError.alreadyListening }
    self.acceptance = acceptance
  }

  private func makePeer(_ connection: TubusConnection, _ endpoint: Endpoint) -> Peer {
    Peer(
      channel: TubusChannel(connection: connection, remote: endpoint, driver: self, parent: channel),
      name: SocketName(endpoint))
  }

  // MARK: Moving

  /// Takes over a connection from another driver of this event loop.
  func adopt(_ moved: TubusChannel, at endpoint: Endpoint) throws {
    guard channel.isActive else { throw ChannelError.ioOnClosedChannel }
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
    let peer = peers[source]
    // Not mutable: NIO's pool of buffers shares this one, and would have it copied.
    envelope.data.withUnsafeReadableBytes { bytes in
      var start = 0
      if let peer { start = receive(bytes, segment: segment, peer, now: now) }
      while start < bytes.count {
        let end = min(start + segment, bytes.count)
        meet(UnsafeRawBufferPointer(rebasing: bytes[start..<end]), from: source, now: now)
        start = end
      }
    }
  }

  /// Takes datagrams of a peer, which the kernel may have put together. Returns where it stopped, because a datagram is not the
  /// peer's.
  private func receive(_ bytes: UnsafeRawBufferPointer, segment: Int, _ peer: Peer, now: Instant) -> Int {
    let channel = peer.channel
    channel.connection.receiveAllowance = peer.buffered + max(bufferLimit - bufferedBytes, 0)
    var start = 0
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

  /// A datagram that is nothing of a connection we know: of somebody unknown, or of a peer that begins anew.
  private func meet(_ datagram: UnsafeRawBufferPointer, from source: Endpoint, now: Instant) {
    if peers[source] != nil { return challenge(datagram, from: source, now: now) }
    guard let acceptance, acceptance.peer == nil || acceptance.peer == source,
      peers.count < acceptance.maximumConnections
    else { return }
    var connection = TubusConnection(
      role: .acceptor, configuration: acceptance.configuration, seed: .random(in: .min ... .max), now: now)
    guard connection.receive(datagram, now: now) == .taken else { return }
    let peer = makePeer(connection, source)
    peers[source] = peer
    unproven.append(source)
    if unproven.count > Self.maximumUnproven { dropOldestUnproven() }
    touch(peer)
  }

  private func dropOldestUnproven() {
    let oldest = unproven.removeFirst()
    guard let peer = peers[oldest], !peer.channel.connection.isPeerProven else { return }
    remove(peer, at: oldest)
  }

  /// A peer that we know may have begun anew, or somebody forges its address: whoever answers our ping is the one.
  private func challenge(_ datagram: UnsafeRawBufferPointer, from source: Endpoint, now: Instant) {
    guard let acceptance, peers[source]?.channel.connection.role == .acceptor else { return }
    if let challenger = challengers[source], challenger.channel.connection.receive(datagram, now: now) == .taken {
      return touch(challenger)
    }
    guard challengers.count < Self.maximumUnproven else { return }
    var connection = TubusConnection(
      role: .acceptor, configuration: acceptance.configuration, seed: .random(in: .min ... .max), now: now)
    guard connection.receive(datagram, now: now) == .taken else { return }
    let challenger = makePeer(connection, source)
    challengers[source] = challenger
    touch(challenger)
  }

  private func touch(_ peer: Peer) {
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
  private func serve(_ peer: Peer) {
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

  private func account(for peer: Peer) {
    let buffered = peer.channel.connection.bufferedBytes
    bufferedBytes += buffered - peer.buffered
    peer.buffered = buffered
  }

  private func takeEvents(of peer: Peer) {
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

  private func linked(_ peer: Peer) {
    let endpoint = peer.channel.remoteEndpoint
    if peer.channel.connection.role == .connector {
      let onLinked = peer.onLinked
      peer.onLinked = nil
      onLinked?(nil)
      return
    }
    unproven.removeAll { $0 == endpoint }
    if challengers[endpoint] === peer, let old = peers[endpoint] {
      challengers[endpoint] = nil
      old.channel.connection.replace()
      takeEvents(of: old)
      remove(old, at: endpoint)
      peers[endpoint] = peer
    }
    acceptance?.accept(peer.channel)
  }

  private func remove(_ peer: Peer, at endpoint: Endpoint) {
    if peers[endpoint] === peer { peers[endpoint] = nil }
    if challengers[endpoint] === peer { challengers[endpoint] = nil }
    peer.scheduled = nil
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

  // MARK: Time

  private func schedule(_ peer: Peer) {
    guard let due = peer.channel.connection.pollTimeout() else { return }
    if let scheduled = peer.scheduled, scheduled <= due { return }
    peer.scheduled = due
    deadlines.insert(Deadline(at: due, peer: peer))
    // Entries that an earlier one has overtaken stay in the heap until their time; they must not pile up.
    if deadlines.count > 4 * (peers.count + challengers.count) + 64 { rebuildDeadlines() }
    arm()
  }

  private func rebuildDeadlines() {
    deadlines = Heap(
      (Array(peers.values) + Array(challengers.values)).compactMap { peer in
        peer.scheduled.map { Deadline(at: $0, peer: peer) }
      })
  }

  private func arm() {
    guard let first = deadlines.min?.at, timer.map({ first < $0.at }) ?? true, channel.isActive else { return }
    timer?.task.cancel()
    let task = eventLoop.assumeIsolated().scheduleTask(deadline: .uptimeNanoseconds(UInt64(max(first.nanoseconds, 0))))
    {
      self.wake()
    }
    timer = (first, task)
  }

  private func wake() {
    timer = nil
    let now = now
    while let first = deadlines.min, first.at <= now {
      deadlines.removeMin()
      guard first.peer.scheduled == first.at else { continue }
      first.peer.scheduled = nil
      first.peer.channel.connection.handleTimeout(now: now)
      serve(first.peer)
    }
    arm()
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
    context.fireChannelInactive()
  }

  /// An unconnected UDP socket outlives the errors of single reads.
  func errorCaught(context: ChannelHandlerContext, error: any Error) {}
}
