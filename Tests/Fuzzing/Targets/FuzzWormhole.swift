import NIOCore

@testable import Wormhole

/// A tunnel's far end and the local sides of its streams do what they like: what is held is bounded, the sums are right, and what goes
/// into the tunnel is whole frames.
@Sendable func fuzzWormhole(_ input: [UInt8]) throws {
  var input = FuzzInput(input)
  let kind = input.byte()
  var limits = SessionLimits()
  limits.streams = 8
  limits.slowStream = 2000
  limits.held = 5000
  limits.initialWindow = 100
  limits.firstWindow = 400
  limits.largestWindow = 1600
  limits.windows = 3000
  var session = WormholeSession(
    role: kind & 1 == 0 ? .importer : .exporter, limits: limits, offering: kind & 2 == 0 ? .all : nil)
  var decoder = FrameDecoder()
  while !input.isAtEnd {
    let operation = input.byte()
    let id = UInt32(input.byte() % 10)
    switch operation % 10 {
    case 0: if session.role == .importer { _ = try? session.open(StreamRequest()) }
    case 1: session.write(ByteBuffer(bytes: input.bytes()), on: id)
    case 2: session.finish(id)
    case 3: session.release(id)
    case 4: session.cut(id, for: CloseReason(.reset, "the input says so"))
    case 5: session.deliver(Int(input.byte()) * 8, on: id)
    case 6: _ = session.takesMore(id)
    case 7: try drain(&session, &decoder)
    default: session.receive(ByteBuffer(bytes: input.bytes()))
    }
    try takeEvents(of: &session)
    try judge(session)
  }
  try drain(&session, &decoder)
  for id in 0..<1000 as Range<UInt32> { session.cut(id, for: CloseReason(.reset, "the end")) }
  try demand(session.streamCount == 0 && session.held == 0 && session.promised == 0, "something is held for nobody")
}

/// Delivers every other piece at once.
private func takeEvents(of session: inout WormholeSession) throws {
  var count = 0
  while let event = session.pollEvent() {
    count += 1
    try demand(count < 10_000, "events without end")
    switch event {
    case .data(let id, let bytes): if count % 2 == 0 { session.deliver(bytes.readableBytes, on: id) }
    case .opened(let id, _): session.connected(id)
    case .failed(let sentence): try demand(sentence == session.failure, "two failures")
    case .introduced, .connected, .finished, .closed, .writable: break
    }
  }
}

private func drain(_ session: inout WormholeSession, _ decoder: inout FrameDecoder) throws {
  while var piece = session.pollTransmit() {
    while let part = decoder.next(in: &piece) {
      if case .notice(FrameHeader.control) = part { throw Violation(description: "a notice on the reserved id") }
    }
  }
  try takeEvents(of: &session)
  try demand(session.failure != nil || decoder.isBetweenFrames, "half a frame was sent")
}

private func judge(_ session: borrowing WormholeSession) throws {
  let limits = session.limits
  try demand(session.streamCount <= limits.streams, "\(session.streamCount) streams")
  // A piece of payload is looked at when it is there.
  try demand(session.held <= limits.held + 256, "\(session.held) bytes are held")
  var held = 0
  var promised = 0
  for stream in session.streams.values {
    held += stream.window.held
    promised += stream.window.promised
    try demand(stream.window.wanted <= UInt64(limits.largestWindow), "a window of \(stream.window.wanted)")
  }
  try demand(held == session.held && promised == session.promised, "the sums are wrong")
}
