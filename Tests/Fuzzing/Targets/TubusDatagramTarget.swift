import Datagrams

@testable import Tubus

/// Datagrams of a peer that may be any bytes, for a core in either role: nothing traps, what it holds is bounded, what it sends is
/// well-formed, and it ends.
@Sendable func fuzzTubusDatagram(_ input: [UInt8]) throws {
  var input = FuzzInput(input)
  let flags = input.byte()
  let secret: UInt64 = flags & 2 == 0 ? 0 : TubusPeer.secret
  var core = FuzzedTubus(
    role: flags & 1 == 0 ? .connector : .acceptor, secret: secret, window: flags & 4 == 0 ? 5 << 20 : 3000,
    seed: UInt64(flags >> 4))
  var peer = TubusPeer(secret: secret)
  var now = Instant.zero
  peer.hear(try core.drain(now: now))
  if flags & 8 != 0 {
    try core.receive(peer.datagram([0, 2, 0, 0, 0, 3, 0, 0, 0, 10, 0, 8, 0, 0, 0, 0, 0, 0x50, 0, 0]), now: now)
    peer.hear(try core.drain(now: now))
  }
  while !input.isAtEnd {
    switch input.byte() % 8 {
    case 0:
      now = now.advanced(by: input.duration())
      core.connection.handleTimeout(now: now)
    case 1: try core.receive(input.bytes(), now: now)
    case 2: try core.receive(peer.datagram(input.bytes()), now: now)
    case 3:
      // One section, as often as fits.
      let section = peer.section(from: &input)
      let count = 1 + Int(input.byte()) * 8
      try core.receive(peer.datagram(Array(repeatElement(section, count: count).joined().prefix(60_000))), now: now)
    case 4: try core.receive(peer.datagram((0..<4).flatMap { _ in peer.section(from: &input) }), now: now)
    case 5: if !core.connection.isFinished { core.write(Int(input.integer(UInt16.self))) }
    case 6: while let bytes = core.connection.read(now: now) { _ = bytes.readableBytes }
    default:
      switch input.byte() % 5 {
      case 0: core.connection.close(now: now)
      case 1: core.connection.abort(now: now)
      case 2: core.connection.receiveAllowance = Int(input.integer(UInt16.self))
      case 3: core.connection.handleTooLarge(Int(input.integer(UInt16.self)), now: now)
      default:
        if let due = core.connection.pollTimeout() {
          now = max(now, due)
          core.connection.handleTimeout(now: now)
        }
      }
    }
    peer.hear(try core.drain(now: now))
  }
  try runDry(&core, &now)
}

/// Nothing comes any more: the core ends in its time.
private func runDry(_ core: inout FuzzedTubus, _ now: inout Instant) throws {
  let end = now.advanced(by: .seconds(40))
  var (standing, steps) = (now, 0)
  while let due = core.connection.pollTimeout() {
    if due > standing { (standing, steps) = (due, 0) }
    steps += 1
    try demand(steps < 100, "woken without end at \(due)")
    now = max(now, due)
    try demand(now <= end, "there is no end")
    core.connection.handleTimeout(now: now)
    _ = try core.drain(now: now)
  }
  try demand(core.connection.isFinished && core.ending != nil, "there is no end")
}

/// What plays the peer: the pin of the captured sessions, and a memory of what the core said, to echo it.
private struct TubusPeer {
  /// That of the captured session.
  static let secret: UInt64 = 1311768467463790320
  let secret: UInt64
  private var salt: UInt64 = 1
  private var moves: [UInt64] = []
  private var numbers: [UInt64] = [0, 1, 5 << 20, 1 << 63, .max]

  init(secret: UInt64) { self.secret = secret }

  mutating func datagram(_ sections: [UInt8]) -> [UInt8] {
    salt &+= 0x9E37_79B9_7F4A_7C14
    let header: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 1, 2, 0, 0, 0, 1]
    return FuzzedTubus.masked(header + sections, secret: secret, salt: salt)
  }

  mutating func hear(_ datagrams: [[UInt8]]) {
    for datagram in datagrams {
      FuzzedTubus.unmasked(datagram, secret: secret).withUnsafeBytes { plain in
        var reader = SectionReader(plain)
        while let section = reader.next() {
          switch section {
          case .move(let offset, _): moves.append(offset)
          case .ping(let number), .edge(let number): numbers.append(number)
          default: break
          }
        }
      }
    }
    moves = moves.suffix(64)
    numbers = Array(numbers.prefix(5) + numbers.dropFirst(5).suffix(16))
  }

  /// A section with a number that makes sense, or nearly.
  func section(from input: inout FuzzInput) -> [UInt8] {
    let kind = input.byte() % 13
    let choice = input.byte()
    var number: UInt64
    if choice & 0x80 != 0 {
      number = UInt64(choice & 0x7F) << 8 | UInt64(input.byte())
    } else if kind == 9, !moves.isEmpty {
      number = moves[Int(choice) % moves.count]
    } else {
      number = numbers[Int(choice) % numbers.count]
    }
    if choice & 0x40 != 0 { number &-= UInt64(input.byte()) }
    let value: [UInt8] =
      switch kind {
      case 2...5: []
      case 8: Self.bytes(number) + input.bytes()
      default: Self.bytes(number)
      }
    return [0, kind, UInt8(value.count >> 8), UInt8(value.count & 0xFF)] + value
  }

  private static func bytes(_ number: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) }
  }
}
