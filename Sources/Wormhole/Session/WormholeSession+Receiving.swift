import NIOCore

extension WormholeSession {
  /// Takes bytes out of the tunnel, cut anywhere. They are looked at as the events are asked for, so that what is delivered
  /// between two events counts.
  mutating func receive(_ bytes: ByteBuffer) {
    guard failure == nil else { return }
    if inbox.readableBytes == 0 {
      inbox = bytes
    } else {
      inbox.writeImmutableBuffer(bytes)
    }
  }

  /// What happened next, until there is nothing.
  mutating func pollEvent() -> SessionEvent? {
    while true {
      if let event = events.popFirst() { return event }
      switch failure == nil ? decoder.next(in: &inbox) : nil {
      case .notice(let id): takeNotice(id)
      case .payload(FrameHeader.control, let bytes): takeControl(bytes)
      case .payload(let id, let bytes):
        // The one that comes all the time needs no queue.
        if takePayload(bytes, of: id) { return .data(id, bytes) }
      case nil:
        // The storage belongs to whoever read it, and can be used again.
        inbox = ByteBuffer()
        return events.popFirst()
      }
    }
  }

  /// Opens on the old wire, or closes.
  private mutating func takeNotice(_ id: UInt32) {
    if role == .exporter, id == nextID, id != FrameHeader.control {
      takeOpening(id, StreamRequest(), isNegotiated: false)
    } else if let stream = streams[id], !stream.isOver {
      settle(stream) { $0.window.end() }
      markOver(stream)
      conclude(stream, nil)
    }
  }

  private mutating func takeOpening(_ id: UInt32, _ request: StreamRequest, isNegotiated: Bool) {
    let stream = add(id, request, isNegotiated: isNegotiated)
    if streams.count > limits.streams {
      end(stream, for: CloseReason(.busy, "the exporter has \(limits.streams) streams, which is all it allows"))
      remove(stream)
    } else {
      events.append(.opened(id, request))
    }
  }

  /// Whether the payload is for somebody. What is for nobody is dropped: its stream was closed while it was on its way.
  private mutating func takePayload(_ bytes: ByteBuffer, of id: UInt32) -> Bool {
    guard let stream = streams[id], !stream.isOver else { return false }
    let count = bytes.readableBytes
    var fits = true
    settle(stream) { fits = $0.window.receive(count) }
    guard fits else {
      abort(stream, for: CloseReason(.violation, "the far end sent more than it was allowed; the stream was closed"))
      return false
    }
    guard !stream.isAbandoned else {
      // Only our own end is still on its way.
      settle(stream) { $0.window.deliver(count) }
      return false
    }
    if !stream.isNegotiated, stream.window.held > limits.slowStream {
      abort(stream, for: Self.tooSlow(stream.window.held))
      return false
    }
    // After one has been closed another may still be the largest.
    while held > limits.held, let largest = largestHolder() {
      abort(largest, for: Self.tooSlow(largest.window.held))
    }
    return !stream.isOver
  }

  private static func tooSlow(_ held: Int) -> CloseReason {
    CloseReason(
      .tooSlow,
      "\(held >> 10) KiB wait for a reader that takes nothing, so that this stream alone was closed; let it read, or connect again"
    )
  }

  private func largestHolder() -> SessionStream? {
    var largest: SessionStream?
    // Also those that are over and only wait for their reader.
    for stream in streams.values where stream.window.held > largest?.window.held ?? 0 { largest = stream }
    return largest
  }

  /// Ends a stream at once, both ways.
  private mutating func abort(_ stream: SessionStream, for reason: CloseReason) {
    if !stream.isOver { end(stream, for: reason) }
    conclude(stream, reason)
  }

  /// Tells the local side, if there is one, that a stream is over on the wire. One that is cut holds nothing from here on, because
  /// the local side drops it at once.
  private mutating func conclude(_ stream: SessionStream, _ reason: CloseReason?) {
    if reason != nil {
      settle(stream) {
        $0.window.end(); $0.window.deliver($0.window.held)
      }
    }
    if stream.isAbandoned { remove(stream) } else { events.append(.closed(stream.id, reason)) }
  }

  private mutating func takeControl(_ bytes: ByteBuffer) {
    guard !ignoresControl else { return }
    control.writeImmutableBuffer(bytes)
    while failure == nil, !ignoresControl {
      switch ControlMessage.read(from: &control) {
      case .message(let message): take(message)
      // Nothing of ours starts otherwise: some other program's use of the id, to be left alone.
      case .malformed where peer == nil, .skipped where peer == nil: ignoresControl = true
      case .malformed: fail("the far end sent a control message that is none; the tunnel was closed")
      case .skipped: continue
      case .incomplete:
        control.discardReadBytes()
        return
      }
    }
    control = ByteBuffer()
  }

  private mutating func take(_ message: ControlMessage) {
    guard peer != nil else {
      if case .hello(let hello) = message { greet(hello) } else { ignoresControl = true }
      return
    }
    switch message {
    case .hello: fail("the far end said hello twice; the tunnel was closed")
    case .open(let id, let request):
      guard role == .exporter else { return fail("the importer was asked for a service; the tunnel was closed") }
      guard id == nextID else {
        return fail("the far end opened stream \(id) where \(nextID) was next; the tunnel was closed")
      }
      takeOpening(id, request, isNegotiated: true)
    case .connected(let id): if negotiated(id) != nil { events.append(.connected(id)) }
    case .close(let id, let reason):
      guard let stream = negotiated(id) else { return }
      markOver(stream)
      conclude(stream, reason)
    case .finish(let id):
      guard let stream = negotiated(id), !stream.window.isEnded else { return }
      settle(stream) { $0.window.end() }
      if !stream.isAbandoned { events.append(.finished(id)) }
    case .window(let id, let limit):
      guard let stream = negotiated(id) else { return }
      stream.allow(below: limit)
      if stream.queued > 0 { makeReady(stream) }
      tellIfWritable(stream)
    case .blocked(let id, let limit):
      guard let stream = negotiated(id) else { return }
      stream.window.grow(stoppedAt: limit)
      makeWindowDue(stream)
    }
  }

  private func negotiated(_ id: UInt32) -> SessionStream? {
    guard let stream = streams[id], stream.isNegotiated, !stream.isOver else { return nil }
    return stream
  }

  private mutating func greet(_ hello: Hello) {
    guard hello.role != role else {
      let (doing, other) = role == .importer ? ("import", "export") : ("export", "import")
      return fail("both ends of the tunnel \(doing); start one of them to \(other)")
    }
    peer = hello
    // Without windows there are no messages for streams, and then no names and datagrams.
    guard hello.features.contains(.windows) else { return }
    features = hello.features
    events.append(.introduced(hello.features))
  }
}
