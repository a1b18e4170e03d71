import Datagrams
import HolePunching
import PlexusTesting

/// The reference's handshake as the wire shows it: one attempt at everything, and 60 s in all.
struct ReferencePeer: DatagramCore {
  typealias Outcome = Bool

  private let role: PunchRole
  private let secret: UInt64
  private let peer: Endpoint
  private let deadline: Instant
  private var generator: SeededGenerator
  private var outbox: [Transmit] = []
  private var nextProbe: Instant?
  private var outcome: Bool?

  init(role: PunchRole, secret: UInt64, peer: Endpoint, now: Instant, generator: SeededGenerator) {
    (self.role, self.secret, self.peer, self.generator) = (role, secret, peer, generator)
    deadline = now.advanced(by: .seconds(60))
    switch role {
    case .accepting: send(.probe, hopLimit: 7)
    case .inviting: nextProbe = now
    }
  }

  func pollOutcome() -> Bool? { outcome }
  func pollTimeout() -> Instant? { min(nextProbe ?? .distantFuture, deadline) }
  mutating func pollTransmit() -> Transmit? { outbox.isEmpty ? nil : outbox.removeFirst() }
  mutating func handleSent(_ transmit: Transmit, failure: (any Error)?, now: Instant) {}

  mutating func receive(_ datagram: Datagram, now: Instant) {
    guard outcome == nil, datagram.source == peer,
      let heard = HandshakeDatagram(decoding: datagram.payload, secret: secret)
    else { return }
    switch (role, heard.flag) {
    case (.accepting, .probe): send(.answer)
    case (.accepting, .answer): outcome = true
    case (.inviting, .probe): break
    case (.inviting, .answer):
      send(.answer)
      outcome = true
    }
  }

  mutating func handleTimeout(now: Instant) {
    guard outcome == nil else { return }
    if let nextProbe, nextProbe <= now {
      send(.probe)
      self.nextProbe = now.advanced(by: .milliseconds(1600))
    }
    if deadline <= now { outcome = false }
  }

  private mutating func send(_ flag: HandshakeDatagram.Flag, hopLimit: UInt8? = nil) {
    let payload = HandshakeDatagram(flag, using: &generator).encoded(secret: secret)
    outbox.append(Transmit(to: peer, payload: payload, hopLimit: hopLimit))
  }
}

extension HandshakeDatagram {
  init(_ flag: Flag, using generator: inout some RandomNumberGenerator) {
    func byte() -> UInt8 { .random(in: 0...255, using: &generator) }
    self.init(flag, nonce: (byte(), byte(), byte(), byte(), byte(), byte(), byte()))
  }
}
