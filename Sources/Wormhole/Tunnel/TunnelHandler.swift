import Logging
import NIOCore

/// What a tunnel tells the importer or exporter that runs it.
protocol TunnelOwner: AnyObject {
  /// The far end said who it is, or has had the time to.
  func tunnelIsSettled(_ tunnel: TunnelHandler)
  /// The far end wants a service.
  func tunnel(_ tunnel: TunnelHandler, opened id: UInt32, _ request: StreamRequest)
  /// The far end has said, or its silence has, why a service cannot be had.
  ///
  /// - Returns: whether that is news.
  func tunnel(_ tunnel: TunnelHandler, misses request: StreamRequest, for reason: CloseReason) -> Bool
  /// The far end's service has answered.
  func tunnel(_ tunnel: TunnelHandler, reached request: StreamRequest)
  /// No stream of the tunnel is left, and no more will come.
  func tunnelHasEnded(_ tunnel: TunnelHandler)
}

/// The tail of a tunnel's pipeline: the session, and the local sides of its streams. Lives on the event loop.
///
/// The tunnel is always read, whatever any stream does: the session bounds what waits for slow ones. It is written only while it is
/// writable, so that what a stream has to say next is decided late and small streams pass large ones.
final class TunnelHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private var session: WormholeSession
  private var sides: [UInt32: any LocalSide] = [:]
  private var touched: [any LocalSide] = []
  private var context: ChannelHandlerContext?
  private var isPumpScheduled = false
  private var error: (any Error)?
  private weak var owner: (any TunnelOwner)?
  private let counters: WormholeCounters
  private let logger: Logger
  private var trace: Scheduled<Void>?
  private var hasMissedService = false
  /// Nil where none is owed.
  private var unanswered: UnansweredStreams?
  private var answerCheck: Scheduled<Void>?
  /// Fulfilled when the tunnel is over.
  private let end: EventLoopPromise<Void>
  /// When the tunnel began.
  let start: NIODeadline

  /// What the far end understands besides the old wire; nil while it has not said so.
  var features: Hello.Features? { session.features }

  /// Whether streams can be opened.
  var isUp: Bool { context != nil }

  init(
    role: WormholeSession.Role, limits: SessionLimits, offering features: Hello.Features?, owner: any TunnelOwner,
    counters: WormholeCounters, logger: Logger, answerPatience: TimeAmount? = nil, end: EventLoopPromise<Void>
  ) {
    session = WormholeSession(role: role, limits: limits, offering: features)
    self.owner = owner
    self.counters = counters
    self.logger = logger
    unanswered = answerPatience.map { UnansweredStreams(patience: $0) }
    self.end = end
    start = .now()
  }

  // MARK: What local sides do

  /// Opens a stream for a client.
  func open(_ request: StreamRequest, for side: any LocalSide) throws(CloseReason) -> UInt32 {
    guard context != nil else { throw CloseReason(.unreachable, "the tunnel is closed") }
    let id = try session.open(request)
    add(side, as: id)
    awaitAnswer(on: id, to: request)
    schedulePump()
    return id
  }

  /// Gives an opened stream its local side.
  func add(_ side: any LocalSide, as id: UInt32) {
    sides[id] = side
    counters.streams.add(1, ordering: .relaxed)
    counters.streamsEver.add(1, ordering: .relaxed)
  }

  func connected(_ id: UInt32) {
    session.connected(id)
    schedulePump()
  }

  func send(_ bytes: ByteBuffer, on id: UInt32) {
    counters.sent.add(UInt64(bytes.readableBytes), ordering: .relaxed)
    session.write(bytes, on: id)
    schedulePump()
  }

  func finish(_ id: UInt32) {
    session.finish(id)
    schedulePump()
  }

  func takesMore(_ id: UInt32) -> Bool { session.takesMore(id) }

  func queued(on id: UInt32) -> Int { session.queued(on: id) }

  func deliver(_ count: Int, on id: UInt32) {
    guard count > 0 else { return }
    session.deliver(count, on: id)
    if session.hasTransmit { schedulePump() }
  }

  /// The local side is gone.
  func release(_ id: UInt32) {
    guard removeSide(id) else { return }
    session.release(id)
    schedulePump()
  }

  /// The local side is gone, and not in order.
  func cut(_ id: UInt32, for reason: CloseReason) {
    // Also without a side: the service may have refused.
    _ = removeSide(id)
    session.cut(id, for: reason)
    schedulePump()
  }

  private func removeSide(_ id: UInt32) -> Bool {
    unanswered?.remove(id)
    guard sides.removeValue(forKey: id) != nil else { return false }
    counters.streams.subtract(1, ordering: .relaxed)
    return true
  }

  /// Closes the tunnel.
  func close() { context?.close(promise: nil) }

  // MARK: What the tunnel does

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    counters.tunnels.add(1, ordering: .relaxed)
    // A channel that is closed already tells nobody else.
    context.channel.closeFuture.assumeIsolated().whenComplete { _ in self.conclude() }
    if context.channel.isActive { begin(context) }
  }

  func channelActive(context: ChannelHandlerContext) { begin(context) }

  private func begin(_ context: ChannelHandlerContext) {
    if logger.logLevel <= .trace { traceRegularly() }
    pump()
    // Only now is somebody there to read.
    context.channel.setOption(.autoRead, value: true).whenFailure { _ in }
    context.read()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    unanswered?.tunnelHasBroughtSomething(now: .now())
    session.receive(unwrapInboundIn(data))
    handleEvents()
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    flushSides()
    pump()
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if context.channel.isWritable { schedulePump() }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    self.error = self.error ?? error
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) { conclude() }

  func handlerRemoved(context: ChannelHandlerContext) { conclude() }

  private func conclude() {
    guard context != nil else { return }
    context = nil
    trace?.cancel()
    trace = nil
    answerCheck?.cancel()
    answerCheck = nil
    unanswered?.removeAll()
    counters.tunnels.subtract(1, ordering: .relaxed)
    let rest = sides
    sides.removeAll()
    counters.streams.subtract(rest.count, ordering: .relaxed)
    for side in rest.values { side.close(CloseReason(.unreachable, "the tunnel has ended")) }
    owner?.tunnelHasEnded(self)
    if let failure = session.failure {
      end.fail(WormholeError(.protocolViolation, failure))
    } else if let error {
      end.fail(error)
    } else {
      end.succeed(())
    }
  }

  /// Logs each second how the tunnel and its streams stand, for whoever looks for what holds them up.
  private func traceRegularly() {
    guard let channel = context?.channel else { return }
    logger.trace(
      "The tunnel \(channel.isWritable ? "takes more" : "is full"): \(channel.tubusSummary); \(session.summary)",
      metadata: ["event": "wormhole.tunnel.trace"])
    trace = channel.eventLoop.assumeIsolated().scheduleTask(in: .seconds(1)) { [weak self] in self?.traceRegularly() }
  }

  // MARK: Between the two

  private func handleEvents() {
    while let event = session.pollEvent() { handle(event) }
  }

  private func handle(_ event: SessionEvent) {
    switch event {
    case .data(let id, let bytes):
      unanswered?.remove(id)
      // A UDP service says that it is there by what it sends.
      if hasMissedService, let request = session.streams[id]?.request, request.kind == .udp {
        owner?.tunnel(self, reached: request)
      }
      guard let side = sides[id] else { return session.deliver(bytes.readableBytes, on: id) }
      counters.received.add(UInt64(bytes.readableBytes), ordering: .relaxed)
      side.receive(bytes)
      guard !side.isTouched else { return }
      side.isTouched = true
      touched.append(side)
    case .writable(let id): sides[id]?.resume()
    case .finished(let id):
      unanswered?.remove(id)
      sides[id]?.finish()
    case .closed(let id, let reason):
      if let reason { tell(reason, of: id) }
      sides[id]?.close(reason)
    case .opened(let id, let request): owner?.tunnel(self, opened: id, request)
    case .connected(let id):
      unanswered?.remove(id)
      if let request = session.streams[id]?.request { owner?.tunnel(self, reached: request) }
    case .introduced: owner?.tunnelIsSettled(self)
    case .failed: close()
    }
  }

  /// What somebody can mend is a warning, once; the rest is the daily life of streams.
  private func tell(_ reason: CloseReason, of id: UInt32) {
    let request = session.streams[id]?.request
    var isWarning = false
    var sentence = "Stream \(id) was closed: \(reason)"
    switch reason.code {
    case .busy, .refused, .unreachable, .unknownService:
      // An importer's reason is the importer's business.
      guard session.role == .importer, let request else { break }
      isWarning = owner?.tunnel(self, misses: request, for: reason) ?? false
      hasMissedService = true
      sentence = "Clients of \(request.atTheFarEnd) are refused: \(reason)"
    case .tooSlow, .violation:
      isWarning = true
      sentence = "A connection to \(request?.description ?? "a service") was closed: \(reason)"
    case .reset, .idle, .other: break
    }
    logger.log(
      level: isWarning ? .warning : .debug, "\(sentence)",
      metadata: ["event": "wormhole.stream.cut", "stream": "\(id)", "reason": "\(reason.code)"])
  }

  // MARK: Far ends that do not answer

  /// The old wire knows no answer, and only services of TCP give one.
  private func awaitAnswer(on id: UInt32, to request: StreamRequest) {
    guard request.kind == .tcp, session.streams[id]?.isNegotiated == true else { return }
    unanswered?.add(id, now: .now())
    if answerCheck == nil { scheduleAnswerCheck() }
  }

  private func scheduleAnswerCheck() {
    guard let context, let deadline = unanswered?.nextDeadline else { return answerCheck = nil }
    answerCheck = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [weak self] in
      guard let self else { return }
      for id in unanswered?.overdue(now: .now()) ?? [] { giveUp(id) }
      scheduleAnswerCheck()
    }
  }

  private func giveUp(_ id: UInt32) {
    let reason = CloseReason(.unreachable, "the far end does not answer")
    tell(reason, of: id)
    let side = sides[id]
    cut(id, for: reason)
    side?.close(reason)
  }

  private func flushSides() {
    while let side = touched.popLast() {
      side.isTouched = false
      side.flush()
    }
  }

  /// Fills the tunnel at the end of this turn of the event loop, so that what all streams have to say leaves together.
  private func schedulePump() {
    guard !isPumpScheduled, let context else { return }
    isPumpScheduled = true
    context.eventLoop.assumeIsolated().execute {
      self.isPumpScheduled = false
      self.pump()
    }
  }

  private func pump() {
    handleEvents()
    var hasWritten = true
    while hasWritten, let context, context.channel.isActive {
      hasWritten = false
      while context.channel.isWritable, let piece = session.pollTransmit() {
        context.write(wrapOutboundOut(piece), promise: nil)
        hasWritten = true
      }
      if hasWritten { context.flush() }
      // What has left makes room for what local sides have.
      handleEvents()
    }
    flushSides()
  }
}
