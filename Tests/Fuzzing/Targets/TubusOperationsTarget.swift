import Datagrams

@testable import Tubus

/// Two cores, whose applications and wire do what the input says: every byte arrives once and in order, and who is told that all has
/// arrived is told the truth.
@Sendable func fuzzTubusOperations(_ input: [UInt8]) throws {
  var input = FuzzInput(input)
  let flags = input.byte()
  var wire = FuzzedWire(
    secret: flags & 1 == 0 ? 0 : 0xFACE_FEED,
    windows: [flags & 2 == 0 ? 5 << 20 : 2000, flags & 4 == 0 ? 5 << 20 : 2000],
    seed: UInt64(flags >> 4))
  try wire.exchange()
  while !input.isAtEnd {
    let operation = input.byte()
    let side = Int(operation >> 7)
    switch operation & 0x0F {
    case 0: wire.pass(input.duration())
    case 1: wire.passToNextTimer()
    case 2: try wire.deliver(to: side, position: 0)
    case 3: try wire.deliver(to: side, position: Int(input.byte()))
    case 4: try wire.deliver(to: side, position: Int(input.byte()), keeps: true)
    case 5: wire.drop(to: side, position: Int(input.byte()))
    case 6: wire.drop(to: side)
    case 7: wire.write(Int(input.byte()), side)
    case 8: wire.write(Int(input.integer(UInt16.self)), side)
    case 9: try wire.read(side, buffers: 1)
    case 10: try wire.read(side, buffers: .max)
    case 11: wire.close(side)
    case 12: if input.byte() == 0xAB { wire.abort(side) }
    case 13: wire.tooLarge(Int(input.integer(UInt16.self)), side)
    default: try wire.deliverEverything()
    }
    try wire.exchange()
  }
  try wire.settle()
}

private struct FuzzedWire {
  private var ends: [FuzzedTubus]
  private var now = Instant.zero
  /// What is on its way to each end.
  private var travelling: [[[UInt8]]] = [[], []]
  private var received: [UInt64] = [0, 0]
  private var isClosed = [false, false]
  /// More on the way than this is dropped, as a real wire would.
  private static let capacity = 2048

  init(secret: UInt64, windows: [Int], seed: UInt64) {
    ends = [
      FuzzedTubus(role: .connector, secret: secret, window: windows[0], seed: seed),
      FuzzedTubus(role: .acceptor, secret: secret, window: windows[1], seed: seed &+ 100),
    ]
  }

  mutating func exchange() throws {
    for side in 0...1 {
      let datagrams = try ends[side].drain(now: now)
      let room = Self.capacity - travelling[1 - side].count
      travelling[1 - side] += datagrams.prefix(max(room, 0))
    }
  }

  mutating func pass(_ time: Duration) {
    now = now.advanced(by: time)
    for side in 0...1 { ends[side].connection.handleTimeout(now: now) }
  }

  mutating func passToNextTimer() {
    guard let due = ends.compactMap({ $0.connection.pollTimeout() }).min() else { return }
    now = max(now, due)
    for side in 0...1 { ends[side].connection.handleTimeout(now: now) }
  }

  mutating func deliver(to side: Int, position: Int, keeps: Bool = false) throws {
    guard !travelling[side].isEmpty else { return }
    let index = position % travelling[side].count
    let datagram = keeps ? travelling[side][index] : travelling[side].remove(at: index)
    try ends[side].receive(datagram, now: now)
  }

  mutating func deliverEverything() throws {
    for side in 0...1 {
      let datagrams = travelling[side]
      travelling[side] = []
      for datagram in datagrams { try ends[side].receive(datagram, now: now) }
    }
  }

  mutating func drop(to side: Int, position: Int) {
    guard !travelling[side].isEmpty else { return }
    travelling[side].remove(at: position % travelling[side].count)
  }

  mutating func drop(to side: Int) { travelling[side] = [] }

  mutating func write(_ count: Int, _ side: Int) {
    guard !isClosed[side], ends[side].connection.unsentBytes < 300_000 else { return }
    ends[side].write(count)
  }

  mutating func read(_ side: Int, buffers: Int) throws {
    var left = buffers
    while left > 0, let bytes = ends[side].connection.read(now: now) {
      left -= 1
      let isRight = bytes.withUnsafeReadableBytes { FuzzedTubus.isStream($0, from: received[side]) }
      try demand(isRight, "other bytes arrived at \(received[side])")
      received[side] += UInt64(bytes.readableBytes)
      let written = ends[1 - side].connection.writtenOffset
      try demand(received[side] <= written, "\(received[side]) bytes arrived of \(written)")
    }
  }

  mutating func close(_ side: Int) {
    isClosed[side] = true
    ends[side].connection.close(now: now)
  }

  mutating func abort(_ side: Int) {
    isClosed[side] = true
    ends[side].connection.abort(now: now)
  }

  mutating func tooLarge(_ size: Int, _ side: Int) { ends[side].connection.handleTooLarge(size, now: now) }

  /// The wire is good from here on, and both ends close: what must have arrived has.
  mutating func settle() throws {
    var rounds = 0
    let end = now.advanced(by: .seconds(200))
    while ends.contains(where: { !$0.connection.isFinished }) {
      rounds += 1
      try demand(rounds < 20_000 && now <= end, "there is no end")
      try deliverEverything()
      for side in 0...1 { try read(side, buffers: .max) }
      try exchange()
      if travelling.allSatisfy(\.isEmpty) { passToNextTimer() } else { pass(.milliseconds(5)) }
      try exchange()
      // Whoever is linked has said all: both have to hear it before one goes.
      for side in 0...1
      where !isClosed[side] && ends[side].isLinked && received[side] == ends[1 - side].connection.writtenOffset {
        close(side)
      }
    }
    for side in 0...1 { try read(side, buffers: .max) }
    for side in 0...1 {
      guard ends[side].ending == .closed else { continue }
      let written = ends[side].connection.writtenOffset
      try demand(received[1 - side] == written, "\(received[1 - side]) of \(written) bytes arrived, and it closed")
    }
  }
}
