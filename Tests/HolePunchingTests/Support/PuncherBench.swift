import Datagrams
import HolePunching
import PlexusTesting

/// One puncher whose peer is the test.
struct PuncherBench {
  static let peer = Endpoint(address: .v4(0xC633_6402), port: 6000)
  static let stranger = Endpoint(address: .v4(0xC633_6402), port: 6001)
  static let secret: UInt64 = 0x0123_4567_89AB_CDEF

  var puncher: Puncher
  var now: Instant
  var random: SeededGenerator

  init(_ role: PunchRole, seed: UInt64 = 1, configuration: PunchConfiguration = PunchConfiguration()) {
    var random = SeededGenerator(seed: seed)
    now = .zero.advanced(by: .seconds(1000))
    puncher = Puncher(
      role: role, secret: Self.secret, peer: Self.peer, configuration: configuration, now: now,
      generator: random.split())
    self.random = random
  }

  var result: PunchResult? { try? puncher.pollOutcome()?.get() }

  var failure: PunchFailure? {
    guard case .failure(let failure)? = puncher.pollOutcome() else { return nil }
    return failure
  }

  mutating func pollAll() -> [Transmit] {
    var transmits: [Transmit] = []
    while let transmit = puncher.pollTransmit() { transmits.append(transmit) }
    return transmits
  }

  /// A datagram as the reference makes it: without echo.
  mutating func hear(_ flag: HandshakeDatagram.Flag, from source: Endpoint = peer) {
    hear(HandshakeDatagram(flag, using: &random).encoded(secret: Self.secret), from: source)
  }

  mutating func hear(_ payload: [UInt8], from source: Endpoint = peer) {
    puncher.receive(Datagram(from: source, payload: payload), now: now)
    puncher.handleTimeout(now: now)
  }

  /// Lets time pass, and gives what is sent meanwhile, and when.
  @discardableResult
  mutating func pass(_ duration: Duration) -> [(time: Instant, transmit: Transmit)] {
    var sent = pollAll().map { (now, $0) }
    let end = now.advanced(by: duration)
    while let timeout = puncher.pollTimeout(), timeout <= end {
      now = timeout
      puncher.handleTimeout(now: now)
      sent += pollAll().map { (now, $0) }
    }
    now = end
    return sent
  }

  static func flag(of transmit: Transmit) -> HandshakeDatagram.Flag? {
    HandshakeDatagram(decoding: transmit.payload, secret: secret)?.flag
  }
}
