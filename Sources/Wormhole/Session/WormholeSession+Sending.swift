import NIOCore

extension WormholeSession {
  /// The next piece for the tunnel, nil when there is none. Ask while the tunnel takes it: what is not asked for can still be
  /// shared fairly.
  mutating func pollTransmit() -> ByteBuffer? {
    if outgoing.isEmpty { cutFrames() }
    // A stream without credit gives no bytes, but may have had to say that it stands.
    if outgoing.isEmpty, urgent.readableBytes > 0 { cutFrames() }
    return outgoing.popFirst()
  }

  /// Whether ``pollTransmit()`` might have something.
  var hasTransmit: Bool {
    !outgoing.isEmpty || urgent.readableBytes > 0 || !ready.isEmpty || !windowsDue.isEmpty
  }

  /// Cuts the next frames: first all that is urgent, then one turn of each stream until there is enough for one write.
  private mutating func cutFrames() {
    guard failure == nil else { return }
    grantWindows()
    var batch = urgent
    urgent = ByteBuffer()
    var count = 0
    while count < SessionLimits.quantum, let stream = ready.popFirst() {
      stream.isReady = false
      guard !stream.isOver else { continue }
      count += cutFrame(of: stream, batch: &batch)
    }
    if batch.readableBytes > 0 { outgoing.append(batch) }
  }

  /// One turn of a stream.
  private mutating func cutFrame(of stream: SessionStream, batch: inout ByteBuffer) -> Int {
    let quantum = ready.isEmpty ? SessionLimits.soleQuantum : SessionLimits.quantum
    let count = min(stream.queued, stream.credit, quantum)
    if count > 0 {
      batch.write(FrameHeader(stream: stream.id, length: UInt32(clamping: count)))
      if count <= SessionLimits.copied {
        stream.take(count) { batch.writeImmutableBuffer($0) }
      } else {
        outgoing.append(batch)
        batch = ByteBuffer()
        stream.take(count) { outgoing.append($0) }
      }
    }
    if stream.queued > 0 {
      if stream.credit > 0 {
        makeReady(stream)
      } else if let limit = stream.newlyBlockedAt() {
        say(.blocked(stream.id, limit: limit))
      }
    } else if stream.ending == .queued {
      sayEnd(of: stream)
    }
    tellIfWritable(stream)
    return count
  }

  mutating func tellIfWritable(_ stream: SessionStream) {
    guard stream.wantsWritable, stream.takesMore else { return }
    stream.wantsWritable = false
    events.append(.writable(stream.id))
  }

  private mutating func grantWindows() {
    guard !windowsDue.isEmpty else { return }
    let due = windowsDue
    windowsDue.removeAll(keepingCapacity: true)
    let share = limits.windows / max(1, streams.count)
    for stream in due {
      stream.isWindowDue = false
      guard !stream.isOver, !stream.isAbandoned else { continue }
      let free = max(0, limits.windows - promised)
      var limit: UInt64?
      settle(stream) { limit = $0.window.grant(free: free, share: share) }
      if let limit { say(.window(stream.id, limit: limit)) }
    }
  }
}
