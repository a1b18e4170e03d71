import Datagrams
import NIOCore

@testable import Tubus

extension TubusConnection {
  /// Gives it a datagram.
  @discardableResult
  mutating func take(_ bytes: [UInt8], now: Instant) -> Reception { bytes.withUnsafeBytes { receive($0, now: now) } }

  /// All that it has to send now.
  mutating func drain(now: Instant) -> [[UInt8]] {
    var batch = DatagramBatch()
    var datagrams: [[UInt8]] = []
    while pollTransmit(into: &batch, now: now) { batch.forEach { datagrams.append(Array($0)) } }
    return datagrams
  }

  /// All that can be read now.
  mutating func readAll(now: Instant) -> [UInt8] {
    var bytes: [UInt8] = []
    while let next = read(now: now) { bytes += Array(next.readableBytesView) }
    return bytes
  }

  /// All events.
  mutating func drainEvents() -> [TubusEvent] {
    var events: [TubusEvent] = []
    while let event = pollEvent() { events.append(event) }
    return events
  }
}

/// A connector and an acceptor that are linked without a wire between them.
struct LinkedPair {
  var connector: TubusConnection
  var acceptor: TubusConnection
  var now = Instant.zero

  init(_ configuration: TubusConfiguration = TubusConfiguration()) {
    connector = TubusConnection(role: .connector, configuration: configuration, seed: 1, now: now)
    acceptor = TubusConnection(role: .acceptor, configuration: configuration, seed: 2, now: now)
    settle()
  }

  /// Carries datagrams to and fro until there are none.
  mutating func settle(for duration: Duration = .milliseconds(50)) {
    let end = now.advanced(by: duration)
    while true {
      exchange()
      guard let next = [connector.pollTimeout(), acceptor.pollTimeout()].compactMap(\.self).min(), next <= end else {
        now = end
        return exchange()
      }
      now = max(next, now)
      connector.handleTimeout(now: now)
      acceptor.handleTimeout(now: now)
    }
  }

  private mutating func exchange() {
    var isBusy = true
    while isBusy {
      let forward = connector.drain(now: now)
      for datagram in forward { acceptor.take(datagram, now: now) }
      let backward = acceptor.drain(now: now)
      for datagram in backward { connector.take(datagram, now: now) }
      isBusy = !forward.isEmpty || !backward.isEmpty
    }
  }
}
