import Datagrams
import DequeModule
import NIOCore
import PlexusTesting

@testable import Tubus

/// What sits at an end of a ``Wire``.
protocol WireEnd {
  mutating func take(_ datagram: [UInt8], at now: Instant)
  mutating func wake(at now: Instant)
  mutating func emit(at now: Instant) -> [[UInt8]]
  var due: Instant? { get }
}

/// Two ends in virtual time, and between them whatever a test wants. `SimulatedTubus` has the bottlenecks; here a test sees each
/// datagram, and the ends need not be ours.
final class Wire<Left: WireEnd, Right: WireEnd> {
  var left: Left
  var right: Right
  private(set) var now = Instant.zero
  /// The time from one end to the other.
  var delay = Duration.milliseconds(10)
  /// Whether a datagram passes. It is told of each one when it leaves.
  var passes: (_ direction: WireDirection, _ datagram: [UInt8], _ now: Instant) -> Bool = { _, _, _ in true }
  private var travelling = Deque<(at: Instant, direction: WireDirection, datagram: [UInt8])>()

  init(_ left: Left, _ right: Right) { (self.left, self.right) = (left, right) }

  /// Lets time pass until `condition` holds; false when `limit` has passed before.
  @discardableResult
  func run(for limit: Duration, until condition: (Wire) -> Bool = { _ in false }) -> Bool {
    let end = now.advanced(by: limit)
    exchange()
    while !condition(self) {
      guard let next = [travelling.first?.at, left.due, right.due].compactMap(\.self).min(), next <= end else {
        now = end
        return condition(self)
      }
      now = max(now, next)
      exchange()
    }
    return true
  }

  private func exchange() {
    while let first = travelling.first, first.at <= now {
      travelling.removeFirst()
      if first.direction == .toRight {
        right.take(first.datagram, at: now)
      } else {
        left.take(first.datagram, at: now)
      }
    }
    left.wake(at: now)
    right.wake(at: now)
    for datagram in left.emit(at: now) { carry(datagram, .toRight) }
    for datagram in right.emit(at: now) { carry(datagram, .toLeft) }
  }

  private func carry(_ datagram: [UInt8], _ direction: WireDirection) {
    guard passes(direction, datagram, now) else { return }
    travelling.append((now.advanced(by: delay), direction, datagram))
  }
}

enum WireDirection { case toRight, toLeft }

/// Our core with an application that writes what it is told and reads at once, or a little now and then.
struct CoreEnd: WireEnd {
  var connection: TubusConnection
  private(set) var received: [UInt8] = []
  private(set) var events: [TubusEvent] = []
  /// Buffers that the application takes, and how long it waits between two; nil takes all at once.
  var readsEvery: Duration?
  private var readsAt = Instant.zero

  init(_ role: TubusConnection.Role, _ configuration: TubusConfiguration = TubusConfiguration(), seed: UInt64 = 7) {
    connection = TubusConnection(
      role: role, configuration: configuration, seed: role == .connector ? seed : seed &+ 1, now: .zero)
  }

  /// Why it ended.
  var ending: TubusEnding? {
    events.compactMap { if case .closed(let ending) = $0 { ending } else { nil } }.first
  }
  var isLinked: Bool { events.contains(.linked) }

  mutating func take(_ datagram: [UInt8], at now: Instant) { connection.take(datagram, now: now) }

  mutating func wake(at now: Instant) { connection.handleTimeout(now: now) }

  mutating func emit(at now: Instant) -> [[UInt8]] {
    events += connection.drainEvents()
    if let pause = readsEvery {
      if now >= readsAt, let bytes = connection.read(now: now) {
        received += Array(bytes.readableBytesView)
        readsAt = now.advanced(by: pause)
      }
    } else {
      received += connection.readAll(now: now)
    }
    let datagrams = connection.drain(now: now)
    events += connection.drainEvents()
    return datagrams
  }

  var due: Instant? {
    let reads = readsEvery != nil && connection.readableBytes > 0 ? readsAt : nil
    return [connection.pollTimeout(), reads].compactMap(\.self).min()
  }

  /// Writes so many bytes of the stream that `SimulatedTubus` knows.
  mutating func write(_ count: Int) {
    var offset = connection.writtenOffset
    let end = offset + UInt64(count)
    while offset < end {
      let length = min(Int(end - offset), 32_768)
      connection.write(SimulatedTubus.bytes(from: offset, count: length))
      offset += UInt64(length)
    }
  }

  /// Whether it received the first `count` bytes of that stream and nothing else.
  func hasReceived(_ count: Int) -> Bool {
    guard received.count == count else { return false }
    let bytes = ByteBuffer(bytes: received)
    return stride(from: 0, to: count, by: 32_768).allSatisfy { offset in
      let length = min(count - offset, 32_768)
      return bytes.getSlice(at: offset, length: length) == SimulatedTubus.bytes(from: UInt64(offset), count: length)
    }
  }
}
