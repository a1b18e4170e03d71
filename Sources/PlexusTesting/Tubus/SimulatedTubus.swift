import Datagrams
import NIOCore
import Tubus

/// Tubus connections over one simulated path in virtual time: hours of protocol time in milliseconds.
///
/// Flow n is a connector on the left and an acceptor on the right; all share the two links. Streams carry bytes that follow from their
/// offsets, so that whoever reads them can tell every mistake.
public final class SimulatedTubus {
  /// One end of a flow, and what its application does.
  public struct End {
    /// The connection; the acceptor has none before the first link.
    public var connection: TubusConnection?
    /// Bytes yet to be written.
    public var remaining: Int
    /// Whether to close when everything is written.
    public var closesAtEnd = false
    /// Whether the application reads.
    public var isReading = true
    /// Bytes read so far.
    public private(set) var received: UInt64 = 0
    /// Whether a byte was wrong.
    public private(set) var isCorrupt = false
    /// Why it ended.
    public private(set) var ending: TubusEnding?
    /// Whether it was linked.
    public private(set) var wasLinked = false
    fileprivate var written: UInt64 = 0
    fileprivate var isClosing = false

    fileprivate mutating func take(_ bytes: ByteBuffer) {
      if bytes != SimulatedTubus.bytes(from: received, count: bytes.readableBytes) { isCorrupt = true }
      received += UInt64(bytes.readableBytes)
    }

    fileprivate mutating func count(_ bytes: ByteBuffer) { received += UInt64(bytes.readableBytes) }

    fileprivate mutating func note(_ event: TubusEvent) {
      switch event {
      case .linked: wasLinked = true
      case .closed(let ending): self.ending = ending
      }
    }
  }

  /// The time.
  public private(set) var now = Instant.zero
  /// From left to right, and back.
  public var forward: SimulatedLink
  /// From right to left.
  public var backward: SimulatedLink
  /// The connectors.
  public var left: [End] = []
  /// The acceptors.
  public var right: [End] = []
  /// Whether every byte is looked at, which costs most of the time.
  public var verifies = true
  private var acceptorConfiguration: TubusConfiguration
  private var random: SeededGenerator
  private var batch = DatagramBatch()

  /// A path without flows yet; an acceptor answers each connector that ``connect(_:writing:reply:)`` adds.
  public init(
    forward: SimulatedLinkConditions, backward: SimulatedLinkConditions? = nil,
    acceptorConfiguration: TubusConfiguration = TubusConfiguration(), seed: UInt64
  ) {
    random = SeededGenerator(seed: seed)
    self.forward = SimulatedLink(forward, seed: random.next())
    self.backward = SimulatedLink(backward ?? forward, seed: random.next())
    self.acceptorConfiguration = acceptorConfiguration
  }

  /// The bytes of every stream repeat after a prime number of them, which no cut of the stream divides.
  private static let period = 65_521
  private static let pattern: ByteBuffer = {
    var random = SeededGenerator(seed: 1)
    let once = (0..<period).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    return ByteBuffer(bytes: once + once)
  }()

  /// The byte of every stream at an offset.
  public static func byte(at offset: UInt64) -> UInt8 { bytes(from: offset, count: 1).getInteger(at: 0) ?? 0 }

  /// The bytes of every stream from an offset on, up to 65,521.
  public static func bytes(from offset: UInt64, count: Int) -> ByteBuffer {
    pattern.getSlice(at: Int(offset % UInt64(period)), length: count) ?? ByteBuffer()
  }

  /// Adds a flow whose connector writes so many bytes, and whose acceptor writes `reply` bytes.
  @discardableResult
  public func connect(
    _ configuration: TubusConfiguration = TubusConfiguration(), writing: Int, reply: Int = 0
  ) -> Int {
    left.append(
      End(
        connection: TubusConnection(role: .connector, configuration: configuration, seed: random.next(), now: now),
        remaining: writing))
    right.append(End(connection: nil, remaining: reply))
    pump(&left[left.count - 1], flow: left.count - 1, on: \.forward)
    return left.count - 1
  }

  /// Lets time pass until `condition` holds; false when `limit` has passed before, or nothing is left to happen.
  public func run(for limit: Duration, until condition: (SimulatedTubus) -> Bool = { _ in false }) -> Bool {
    let end = now.advanced(by: limit)
    var (standing, steps) = (now, 0)
    while !condition(self) {
      // Whoever is due again and again at one instant would spin on a real clock, too.
      if now > standing { (standing, steps) = (now, 0) }
      steps += 1
      precondition(steps < 100_000, "a connection wants to be woken at \(now) without end")
      guard let next = nextInstant, next <= end else {
        now = end
        return condition(self)
      }
      now = max(now, next)
      deliver()
      for flow in left.indices {
        wake(&left[flow], flow: flow, on: \.forward)
        wake(&right[flow], flow: flow, on: \.backward)
      }
    }
    return true
  }

  /// Gives an end a datagram that never was on the path.
  public func inject(_ bytes: [UInt8], into end: ReferenceWritableKeyPath<SimulatedTubus, [End]>, flow: Int = 0) {
    receive(bytes, &self[keyPath: end][flow])
  }

  /// Gives the application of an end the word.
  public func act(
    on end: ReferenceWritableKeyPath<SimulatedTubus, [End]>, flow: Int = 0,
    _ body: (inout TubusConnection, Instant) -> Void
  ) {
    guard var connection = self[keyPath: end][flow].connection else { return }
    body(&connection, now)
    self[keyPath: end][flow].connection = connection
  }

  private var nextInstant: Instant? {
    var soonest = [forward.nextArrival, backward.nextArrival].compactMap(\.self).min()
    for end in left + right {
      guard let due = end.connection?.pollTimeout() else { continue }
      soonest = soonest.map { min($0, due) } ?? due
    }
    return soonest
  }

  private func deliver() {
    while let (flow, bytes) = forward.arrival(by: now) {
      if right[flow].connection == nil {
        right[flow].connection = TubusConnection(
          role: .acceptor, configuration: acceptorConfiguration, seed: random.next(), now: now)
      }
      receive(bytes, &right[flow])
    }
    while let (flow, bytes) = backward.arrival(by: now) { receive(bytes, &left[flow]) }
  }

  private func receive(_ bytes: [UInt8], _ end: inout End) {
    bytes.withUnsafeBytes { _ = end.connection?.receive($0, now: now) }
  }

  private func wake(_ end: inout End, flow: Int, on link: ReferenceWritableKeyPath<SimulatedTubus, SimulatedLink>) {
    end.connection?.handleTimeout(now: now)
    pump(&end, flow: flow, on: link)
  }

  private func pump(_ end: inout End, flow: Int, on link: ReferenceWritableKeyPath<SimulatedTubus, SimulatedLink>) {
    guard end.connection != nil else { return }
    while let event = end.connection?.pollEvent() { end.note(event) }
    if end.isReading {
      while let bytes = end.connection?.read(now: now) { verifies ? end.take(bytes) : end.count(bytes) }
    }
    write(&end)
    while end.connection?.pollTransmit(into: &batch, now: now) == true {
      let mayBeFragmented = batch.mayBeFragmented
      batch.forEach { self[keyPath: link].send($0, flow: flow, mayBeFragmented: mayBeFragmented, now: now) }
    }
    while let event = end.connection?.pollEvent() { end.note(event) }
  }

  private func write(_ end: inout End) {
    guard let connection = end.connection, end.wasLinked else { return }
    var unsent = connection.unsentBytes
    while end.remaining > 0, unsent < 262_144 {
      let length = min(end.remaining, 32_768)
      end.connection?.write(Self.bytes(from: end.written, count: length))
      end.remaining -= length
      end.written += UInt64(length)
      unsent += length
    }
    if end.remaining == 0, end.closesAtEnd, !end.isClosing {
      end.isClosing = true
      end.connection?.close(now: now)
    }
  }
}
