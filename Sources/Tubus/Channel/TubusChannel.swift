import Datagrams
import NIOCore
import Synchronization

/// A tubus connection as a NIO channel of `ByteBuffer`s: NIOSSL, NIOHTTP and every other handler work on it unchanged.
///
/// - Reading follows `autoRead` and `read()`: what is not read stays with the connection, whose window then closes to the peer.
/// - A write's promise is fulfilled when its last byte has left for the first time; the channel is unwritable while more than
///   ``TubusConfiguration/maximumUnsent`` bytes wait for that.
/// - `close()` delivers what was flushed, then shuts down. To end it at once trigger ``TubusAbort`` as a user outbound event.
/// - `close(mode: .output)` and `.input` fail: the wire knows no half-closed stream.
/// - When the peer closes, what it had sent is read first, then the channel becomes inactive. Any other ending but our own is
///   fired as an error before, a ``TubusEnding``.
final class TubusChannel: Channel, ChannelCore, @unchecked Sendable {
  // @unchecked: `isWritable`, `isActive`, `closeFuture` and the addresses may be asked from anywhere and are atomic, constant or locked,
  // all else is touched on the event loop only, as NIO's own channels do it.

  let eventLoop: any EventLoop
  let allocator = ByteBufferAllocator()
  private(set) var remoteEndpoint: Endpoint
  /// The socket that carries it, and the peer's address.
  private struct Path: Sendable {
    let socket: any Channel
    let remote: SocketAddress?

    init(_ socket: any Channel, to remote: Endpoint) {
      self.socket = socket
      self.remote = try? SocketAddress(ipAddress: "\(remote.address)", port: Int(remote.port))
    }
  }
  private let path: Mutex<Path>
  /// It lets go of the channel when the connection has ended.
  private var driver: TubusDriver
  var connection: TubusConnection

  private var pipelineStorage: ChannelPipeline?
  private let closePromise: EventLoopPromise<Void>
  private let active = Atomic(false)
  private let writable = Atomic(true)

  private var autoRead = true
  private var isReadPending = false
  private var isDelivering = false
  private var waterMark: ChannelOptions.Types.WriteBufferWaterMark
  private var unflushed: [(bytes: ByteBuffer, promise: EventLoopPromise<Void>?)] = []
  private var unflushedBytes = 0
  private var promises: [(offset: UInt64, promise: EventLoopPromise<Void>)] = []
  private var isClosing = false
  private(set) var isClosed = false
  private var ending: TubusEnding?

  init(connection: TubusConnection, remote: Endpoint, driver: TubusDriver, parent: any Channel) {
    eventLoop = parent.eventLoop
    self.driver = driver
    self.connection = connection
    remoteEndpoint = remote
    path = Mutex(Path(parent, to: remote))
    closePromise = parent.eventLoop.makePromise()
    let high = max(connection.configuration.maximumUnsent, 2)
    waterMark = .init(low: high / 2, high: high)
    pipelineStorage = ChannelPipeline(channel: self)
  }

  // MARK: Channel

  var pipeline: ChannelPipeline {
    // Set in `init` and never taken back.
    guard let pipelineStorage else { preconditionFailure("a channel has a pipeline") }
    return pipelineStorage
  }
  var closeFuture: EventLoopFuture<Void> { closePromise.futureResult }
  var parent: (any Channel)? { path.withLock { $0.socket } }
  var localAddress: SocketAddress? { parent?.localAddress }
  var remoteAddress: SocketAddress? { path.withLock { $0.remote } }
  var isWritable: Bool { writable.load(ordering: .relaxed) }
  var isActive: Bool { active.load(ordering: .relaxed) }
  var _channelCore: any ChannelCore { self }

  func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> EventLoopFuture<Void> {
    eventLoop.submit { try self.setOption0(option, value: value) }
  }

  func getOption<Option: ChannelOption>(_ option: Option) -> EventLoopFuture<Option.Value> {
    eventLoop.submit { try self.getOption0(option) }
  }

  private func setOption0<Option: ChannelOption>(_ option: Option, value: Option.Value) throws {
    switch (option, value) {
    case (is ChannelOptions.Types.AutoReadOption, let value as Bool):
      let wasOn = autoRead
      autoRead = value
      if value, !wasOn, isActive { pipeline.syncOperations.read() }
    case (is ChannelOptions.Types.WriteBufferWaterMarkOption, let value as ChannelOptions.Types.WriteBufferWaterMark):
      waterMark = value
      updateWritability()
    // Handlers for TCP set it; there is nothing to allow.
    case (is ChannelOptions.Types.AllowRemoteHalfClosureOption, _): break
    default: throw ChannelError.operationUnsupported
    }
  }

  private func getOption0<Option: ChannelOption>(_ option: Option) throws -> Option.Value {
    let value: Any
    switch option {
    case is ChannelOptions.Types.AutoReadOption: value = autoRead
    case is ChannelOptions.Types.WriteBufferWaterMarkOption: value = waterMark
    case is ChannelOptions.Types.AllowRemoteHalfClosureOption: value = false
    case is ChannelOptions.Types.BufferedWritableBytesOption: value = waitingBytes
    case is TubusStatisticsOption: value = connection.statistics
    default: throw ChannelError.operationUnsupported
    }
    guard let value = value as? Option.Value else { throw ChannelError.operationUnsupported }
    return value
  }

  struct SynchronousOptions: NIOSynchronousChannelOptions {
    let channel: TubusChannel
    func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) throws {
      try channel.setOption0(option, value: value)
    }
    func getOption<Option: ChannelOption>(_ option: Option) throws -> Option.Value { try channel.getOption0(option) }
  }
  var syncOptions: (any NIOSynchronousChannelOptions)? { SynchronousOptions(channel: self) }

  // MARK: ChannelCore

  func localAddress0() throws -> SocketAddress {
    guard let localAddress else { throw ChannelError.operationUnsupported }
    return localAddress
  }

  func remoteAddress0() throws -> SocketAddress {
    guard let remoteAddress else { throw ChannelError.operationUnsupported }
    return remoteAddress
  }

  func register0(promise: EventLoopPromise<Void>?) { promise?.fail(ChannelError.operationUnsupported) }
  func bind0(to: SocketAddress, promise: EventLoopPromise<Void>?) { promise?.fail(ChannelError.operationUnsupported) }
  func connect0(to: SocketAddress, promise: EventLoopPromise<Void>?) {
    promise?.fail(ChannelError.operationUnsupported)
  }

  func write0(_ data: NIOAny, promise: EventLoopPromise<Void>?) {
    guard !isClosing, !isClosed, ending == nil else {
      promise?.fail(ChannelError.ioOnClosedChannel)
      return
    }
    let bytes = unwrapData(data, as: ByteBuffer.self)
    unflushed.append((bytes, promise))
    unflushedBytes += bytes.readableBytes
    updateWritability()
  }

  func flush0() {
    guard !unflushed.isEmpty else { return }
    for (bytes, promise) in unflushed {
      connection.write(bytes)
      if let promise { promises.append((connection.writtenOffset, promise)) }
    }
    unflushed.removeAll(keepingCapacity: true)
    unflushedBytes = 0
    driver.serve(self)
  }

  func read0() {
    isReadPending = true
    guard !isDelivering else { return }
    // The driver serves no connection that has ended; what it had brought is still here.
    guard ending != nil else { return driver.serve(self) }
    deliver()
    driver.didRead(self)
  }

  func close0(error: any Error, mode: CloseMode, promise: EventLoopPromise<Void>?) {
    guard mode == .all else {
      promise?.fail(ChannelError.operationUnsupported)
      return
    }
    guard !isClosed else {
      promise?.fail(ChannelError.alreadyClosed)
      return
    }
    if let promise { closePromise.futureResult.cascade(to: promise) }
    guard !isClosing else { return }
    isClosing = true
    failUnflushed(ChannelError.ioOnClosedChannel)
    guard ending == nil else { return finish() }
    connection.close(now: driver.now)
    driver.serve(self)
  }

  func triggerUserOutboundEvent0(_ event: Any, promise: EventLoopPromise<Void>?) {
    guard let abort = event as? TubusAbort else {
      promise?.fail(ChannelError.operationUnsupported)
      return
    }
    isClosing = true
    failUnflushed(TubusEnding.aborted)
    promise?.succeed()
    // The peer may have ended it before, and what it said last was not read.
    guard ending == nil else { return finish() }
    connection.abort(isPeerGone: abort.isPeerGone, now: driver.now)
    driver.serve(self)
  }

  func channelRead0(_ data: NIOAny) {
    // Nobody in the pipeline wanted it.
  }

  func errorCaught0(error: any Error) {}

  // MARK: What the driver says

  /// Leaves its driver for another one, on the same event loop, which serves it from now on.
  func move(to driver: TubusDriver, socket: any Channel, remote: Endpoint) {
    self.driver.release(self)
    self.driver = driver
    remoteEndpoint = remote
    path.withLock { $0 = Path(socket, to: remote) }
    connection.changePath(now: driver.now)
  }

  /// The peer is there; the pipeline is set up.
  func activate() {
    active.store(true, ordering: .relaxed)
    pipeline.syncOperations.fireChannelRegistered()
    pipeline.syncOperations.fireChannelActive()
    if autoRead { pipeline.syncOperations.read() }
  }

  /// The connection ended.
  func end(_ ending: TubusEnding) {
    self.ending = ending
    // Nothing of it leaves any more, however long a reader takes for the rest.
    failWrites(ending)
    deliver()
    // A reader that was held back gets the rest first. The channel of a peer that has proved nothing has no reader, and never will.
    let hasRest = connection.readableBytes > 0 && ending == .closedByPeer && connection.isPeerProven
    if isClosing || !hasRest { finish() }
  }

  /// Whether the connection is over, though something of it may still be to read.
  var hasEnded: Bool { ending != nil }

  /// Whether the connection is over, and something of it is still to be read.
  var isUnread: Bool { hasEnded && !isClosed }

  /// Nobody can read what is left any more: the port is closed.
  func drop() { finish() }

  /// Hands over what came in, if the application asked for it.
  func deliver() {
    guard isActive, !isClosing, !isDelivering else { return }
    isDelivering = true
    defer { isDelivering = false }
    while isReadPending, connection.readableBytes > 0 {
      isReadPending = false
      // Few at a time, so that other connections have their turn.
      var left = 8
      while left > 0, isActive, !isClosing, let bytes = connection.read(now: driver.now) {
        pipeline.syncOperations.fireChannelRead(NIOAny(bytes))
        left -= 1
      }
      guard isActive else { return }
      pipeline.syncOperations.fireChannelReadComplete()
      if autoRead, !isClosing { pipeline.syncOperations.read() }
    }
    if ending != nil, connection.readableBytes == 0 { finish() }
  }

  /// Fulfils the promises of what has left, and tells whether more may be written.
  func update() {
    if !promises.isEmpty {
      let sent = connection.sentOffset
      let count = promises.prefix { $0.offset <= sent }.count
      if count > 0 {
        let fulfilled = promises.prefix(count)
        promises.removeFirst(count)
        for (_, promise) in fulfilled { promise.succeed() }
      }
    }
    updateWritability()
  }

  private var waitingBytes: Int { unflushedBytes + connection.unsentBytes }

  private func updateWritability() {
    let waiting = waitingBytes
    let isNow = isWritable ? waiting <= waterMark.high : waiting < waterMark.low
    guard isNow != isWritable, !isClosed else { return }
    writable.store(isNow, ordering: .relaxed)
    if isActive { pipeline.syncOperations.fireChannelWritabilityChanged() }
  }

  private func failWrites(_ error: any Error) {
    failUnflushed(error)
    let failed = promises
    promises.removeAll()
    for (_, promise) in failed { promise.fail(error) }
  }

  private func failUnflushed(_ error: any Error) {
    let failed = unflushed
    unflushed.removeAll()
    unflushedBytes = 0
    for (_, promise) in failed { promise?.fail(error) }
  }

  private func finish() {
    guard !isClosed else { return }
    isClosed = true
    isClosing = true
    driver.forget(self)
    let reason = ending ?? .aborted
    failWrites(reason)
    let wasActive = active.exchange(false, ordering: .relaxed)
    if wasActive {
      switch reason {
      case .closed, .closedByPeer, .aborted: break
      case .notLinked, .silent, .replaced: pipeline.syncOperations.fireErrorCaught(reason)
      }
      pipeline.syncOperations.fireChannelInactive()
      pipeline.syncOperations.fireChannelUnregistered()
    }
    // After all that is under way in the pipeline.
    eventLoop.assumeIsolated().execute {
      self.removeHandlers(pipeline: self.pipeline)
      self.closePromise.succeed()
    }
  }
}

/// A user outbound event that ends a tubus channel at once: what is under way may be lost.
public struct TubusAbort: Sendable {
  /// Whether the peer is known to be gone: then the channel ends in this moment. A peer that is there is told, and the channel waits for up to
  /// ``TubusConfiguration/tearTimeout`` for it to have heard.
  public let isPeerGone: Bool

  /// The event.
  public init(isPeerGone: Bool = false) { self.isPeerGone = isPeerGone }
}
