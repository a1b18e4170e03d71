import Datagrams

@testable import HolePunching

/// No success without a valid datagram of the peer, an end in time, and never a flood.
@Sendable func fuzzPuncher(_ input: [UInt8]) throws {
  var input = FuzzInput(input)
  let role: PunchRole = input.byte() & 1 == 0 ? .inviting : .accepting
  let secret = input.integer(UInt64.self)
  let peer = Endpoint.known("192.0.2.1:40000")
  var now = Instant.zero
  var puncher = Puncher(
    role: role, secret: secret, peer: peer, now: now, generator: FuzzRandom(seed: UInt64(input.byte())))
  var sent: [Transmit] = []
  var heard: [HandshakeDatagram] = []
  func drain() throws {
    var inOneGo = 0
    while let transmit = puncher.pollTransmit() {
      inOneGo += 1
      sent.append(transmit)
      try demand(transmit.destination == peer, "sent to \(transmit.destination)")
      guard let datagram = HandshakeDatagram(decoding: transmit.payload, secret: secret) else {
        throw Violation(description: "an own datagram does not decode")
      }
      try demand(datagram.encoded(secret: secret) == transmit.payload, "the encoding is not stable")
    }
    try demand(inOneGo <= 4, "\(inOneGo) datagrams at once")
  }
  try drain()
  var steps = 0
  while !input.isAtEnd, puncher.pollOutcome() == nil {
    steps += 1
    switch input.byte() % 6 {
    case 0:
      now = now.advanced(by: input.duration())
      puncher.handleTimeout(now: now)
    case 1: puncher.receive(Datagram(from: .known("192.0.2.1:40001"), payload: input.bytes()), now: now)
    case 2:
      let transmit = input.choice(of: sent)
      puncher.handleSent(transmit, failure: input.byte() & 1 == 0 ? nil : Violation(description: "no route"), now: now)
    case let kind:
      let payload: [UInt8] =
        switch kind {
        case 3: input.bytes()
        case 4:
          HandshakeDatagram(input.byte() & 1 == 0 ? .probe : .answer, nonce: input.integer()).encoded(secret: secret)
        // What we sent comes back, perhaps changed in one byte.
        default: changed(input.choice(of: sent).payload, at: Int(input.byte() % 8), by: input.byte())
        }
      if let datagram = HandshakeDatagram(decoding: payload, secret: secret),
        !sent.contains(where: { $0.payload == payload })
      {
        heard.append(datagram)
      }
      puncher.receive(Datagram(from: peer, payload: payload), now: now)
      // As the driver does.
      puncher.handleTimeout(now: now)
    }
    try drain()
    // One for each timer, and the budget of reactions.
    try demand(sent.count <= 64 + steps + Int(now.nanoseconds / 10_000_000), "\(sent.count) datagrams were sent")
  }
  if case .success? = puncher.pollOutcome() { try judge(heard, role: role) }
  // Nothing comes any more: whoever saw too little gives up, in 80 s at the latest.
  for _ in 0..<2000 {
    guard let timeout = puncher.pollTimeout() else { break }
    now = max(now, timeout)
    puncher.handleTimeout(now: now)
    try drain()
  }
  try demand(puncher.pollOutcome() != nil, "there is no end")
  if case .success? = puncher.pollOutcome() { try judge(heard, role: role) }
  _ = "\(puncher) \(puncher.counters)"
}

/// What the peer must at least have said for a success.
private func judge(_ heard: [HandshakeDatagram], role: PunchRole) throws {
  switch role {
  case .inviting: try demand(!heard.isEmpty, "the inviter succeeded, and nobody spoke to it")
  case .accepting: try demand(heard.contains { $0.flag == .probe }, "the acceptor succeeded, and nobody asked it")
  }
}

private func changed(_ payload: [UInt8], at index: Int, by mask: UInt8) -> [UInt8] {
  var payload = payload
  payload[index] ^= mask
  return payload
}
