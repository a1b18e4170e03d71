import DequeModule
import NIOCore

/// One tunnel's worth of streams, without any I/O: it is given what comes out of the tunnel and what the local sides write, and is
/// asked what happened and what goes into the tunnel.
///
/// It speaks the old wire, and what two Swift ends agreed on where both said so; a stream stays with what it was opened with.
struct WormholeSession: ~Copyable {
  /// Which end of the tunnel this is.
  enum Role: Hashable, Sendable {
    /// Has the clients, opens streams.
    case importer
    /// Has the services.
    case exporter
  }

  let role: Role
  let limits: SessionLimits
  /// What both ends can do beyond the old wire; nil until the other one said so, which a C++ one never does.
  var features: Hello.Features?
  /// The other end's hello.
  var peer: Hello?

  var streams: [UInt32: SessionStream] = [:]
  /// The id of the next stream, of either wire.
  var nextID: UInt32 = 0
  var events = Deque<SessionEvent>()
  /// The sentence that the tunnel ends with.
  private(set) var failure: String?

  // What comes.
  var inbox = ByteBuffer()
  var decoder = FrameDecoder()
  var control = ByteBuffer()
  /// What comes on the reserved id is none of ours.
  var ignoresControl = false
  /// Bytes that came and have not left, of all streams.
  var held = 0
  /// Bytes that the other end can make us hold.
  var promised = 0

  // What goes.
  /// Whole frames that go before all data: ends, openings, control messages.
  var urgent = ByteBuffer()
  /// Streams that have something for the tunnel, the next one first.
  var ready = Deque<SessionStream>()
  var windowsDue: [SessionStream] = []
  /// Pieces of frames that are cut already.
  var outgoing = Deque<ByteBuffer>()

  /// A session at the start of its tunnel.
  ///
  /// - Parameter features: what to offer; nil behaves as a C++ wormhole does.
  init(role: Role, limits: SessionLimits = .init(), offering features: Hello.Features? = .all) {
    self.role = role
    self.limits = limits
    guard let features else {
      ignoresControl = true
      return
    }
    say(.hello(Hello(role: role, features: features, initialWindow: UInt32(clamping: limits.initialWindow))))
  }

  /// How many streams there are, those included that only wait for their local side.
  var streamCount: Int { streams.count }

  /// Opens a stream (importer only).
  ///
  /// - Throws: ``CloseReason`` when there are too many, or the other end cannot know the service.
  mutating func open(_ request: StreamRequest) throws(CloseReason) -> UInt32 {
    precondition(role == .importer, "only the importer opens streams")
    guard failure == nil else { throw CloseReason(.unreachable, "the tunnel has failed") }
    guard streams.count < limits.streams else {
      throw CloseReason(
        .busy, "\(limits.streams) streams are open, more is not allowed; try again when some have ended")
    }
    guard nextID != FrameHeader.control else {
      fail("the tunnel has used up its stream ids; it has to be built again")
      throw CloseReason(.busy, "the tunnel has used up its stream ids")
    }
    let isNegotiated = features?.contains(.windows) ?? false
    if !request.isPlain {
      guard let features, features.contains(.windows), features.contains(.names),
        request.kind == .tcp || features.contains(.datagrams)
      else {
        throw CloseReason(
          .unknownService, "the far end is an older wormhole that exports one TCP service without a name only")
      }
    }
    let stream = add(nextID, request, isNegotiated: isNegotiated)
    if isNegotiated { say(.open(stream.id, request)) } else { notify(stream.id) }
    return stream.id
  }

  /// The service of a stream answered (exporter only).
  mutating func connected(_ id: UInt32) {
    if let stream = streams[id], stream.isNegotiated, !stream.isOver { say(.connected(id)) }
  }

  /// Takes bytes that the local side sends.
  mutating func write(_ bytes: ByteBuffer, on id: UInt32) {
    guard bytes.readableBytes > 0, let stream = streams[id], !stream.isOver, stream.ending == .open else { return }
    stream.enqueue(bytes)
    makeReady(stream)
  }

  /// The local side sends no more. On the old wire, which knows no half-close, that ends the stream once all is sent.
  mutating func finish(_ id: UInt32) {
    guard let stream = streams[id], !stream.isOver, stream.ending == .open else { return }
    stream.ending = .queued
    if stream.queued == 0 { sayEnd(of: stream) } else { makeReady(stream) }
  }

  /// The local side is gone. What it sent before its end still goes; if it had not ended, the stream is cut.
  mutating func release(_ id: UInt32) {
    guard let stream = streams[id], !stream.isAbandoned else { return }
    if stream.isOver || (stream.ending == .said && stream.window.isEnded) {
      remove(stream)
    } else if stream.ending == .queued {
      // What is held for nobody is not held.
      stream.isAbandoned = true
      settle(stream) { $0.window.deliver($0.window.held) }
    } else {
      cut(id, for: CloseReason(.reset, "the connection was closed by its other side"))
    }
  }

  /// Cuts a stream at once, both ways, and forgets it.
  mutating func cut(_ id: UInt32, for reason: CloseReason) {
    guard let stream = streams[id] else { return }
    if !stream.isOver { end(stream, for: reason) }
    remove(stream)
  }

  /// Bytes of an event have left for the local side.
  mutating func deliver(_ count: Int, on id: UInt32) {
    guard let stream = streams[id] else { return }
    settle(stream) { $0.window.deliver(count) }
    if stream.isNegotiated { makeWindowDue(stream) }
  }

  /// Whether the local side should be read from. If not, an event tells when.
  mutating func takesMore(_ id: UInt32) -> Bool {
    guard let stream = streams[id], !stream.isOver, stream.ending == .open else { return false }
    stream.wantsWritable = !stream.takesMore
    return stream.takesMore
  }

  /// Bytes that wait for the tunnel.
  func queued(on id: UInt32) -> Int { streams[id]?.queued ?? 0 }
}

// What the parts of a session have in common.
extension WormholeSession {
  mutating func add(_ id: UInt32, _ request: StreamRequest, isNegotiated: Bool) -> SessionStream {
    nextID = id + 1
    let stream = SessionStream(
      id: id, request: request, isNegotiated: isNegotiated, sendWindow: peer?.initialWindow ?? 0, limits: limits)
    streams[id] = stream
    promised += stream.window.promised
    if isNegotiated { makeWindowDue(stream) }
    return stream
  }

  /// The stream is over on the wire because of this side: says so.
  mutating func end(_ stream: SessionStream, for reason: CloseReason) {
    markOver(stream)
    if stream.isNegotiated { say(.close(stream.id, reason)) } else { notify(stream.id) }
  }

  func markOver(_ stream: SessionStream) {
    stream.isOver = true
    stream.dropQueue()
  }

  /// Says that nothing more follows, once all of it is on its way.
  mutating func sayEnd(of stream: SessionStream) {
    stream.ending = .said
    if stream.isNegotiated {
      say(.finish(stream.id))
      guard stream.isAbandoned else { return }
      if !stream.window.isEnded {
        end(stream, for: CloseReason(.reset, "the connection was closed by its other side"))
      }
      remove(stream)
    } else {
      notify(stream.id)
      markOver(stream)
      if stream.isAbandoned { remove(stream) } else { events.append(.closed(stream.id, nil)) }
    }
  }

  mutating func remove(_ stream: SessionStream) {
    markOver(stream)
    held -= stream.window.held
    promised -= stream.window.promised
    streams[stream.id] = nil
  }

  /// Changes a stream's window and keeps the sums.
  mutating func settle(_ stream: SessionStream, change: (SessionStream) -> Void) {
    let before = (held: stream.window.held, promised: stream.window.promised)
    change(stream)
    held += stream.window.held - before.held
    promised += stream.window.promised - before.promised
  }

  mutating func makeReady(_ stream: SessionStream) {
    guard !stream.isReady else { return }
    stream.isReady = true
    ready.append(stream)
  }

  mutating func makeWindowDue(_ stream: SessionStream) {
    guard !stream.isWindowDue else { return }
    stream.isWindowDue = true
    windowsDue.append(stream)
  }

  /// A frame without payload.
  mutating func notify(_ id: UInt32) {
    urgent.write(FrameHeader(stream: id, length: 0))
    checkBacklog()
  }

  mutating func say(_ message: ControlMessage) {
    let start = urgent.writerIndex
    urgent.write(FrameHeader(stream: FrameHeader.control, length: 0))
    message.write(to: &urgent)
    let length = urgent.writerIndex - start - FrameHeader.size
    urgent.setInteger(UInt32(clamping: length), at: start + 4)
    checkBacklog()
  }

  private mutating func checkBacklog() {
    if urgent.readableBytes > SessionLimits.controlBacklog {
      fail("the far end keeps asking for streams and takes no answers; the tunnel was closed")
    }
  }

  mutating func fail(_ sentence: String) {
    guard failure == nil else { return }
    failure = sentence
    inbox.clear()
    urgent.clear()
    events.append(.failed(sentence))
  }
}
