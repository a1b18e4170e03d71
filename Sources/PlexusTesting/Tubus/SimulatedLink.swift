import Datagrams
import HeapModule

/// How one direction of a simulated path treats datagrams.
public struct SimulatedLinkConditions: Sendable {
  /// Bits a second of the bottleneck; nil for none.
  public var rate: Double?
  /// Bytes that wait at the bottleneck before datagrams are dropped.
  public var buffer = 500_000
  /// The time that every datagram takes, and what may be added to it at random: more than the gap between two reorders them.
  public var delay = Duration.milliseconds(20)
  /// See ``delay``.
  public var jitter = Duration.zero
  /// Probabilities, 0 to 1.
  public var loss = 0.0
  /// The datagram comes twice.
  public var duplication = 0.0
  /// A bit of the datagram is turned.
  public var corruption = 0.0
  /// The largest datagram that passes, bytes of UDP payload.
  public var mtu = 1472
  /// Nothing passes.
  public var isBlackHole = false

  /// A link without faults.
  public init(rate: Double? = nil, delay: Duration = .milliseconds(20), loss: Double = 0) {
    (self.rate, self.delay, self.loss) = (rate, delay, loss)
  }
}

/// One direction of a path in virtual time: a drop-tail bottleneck that several flows may share, then loss, then delay.
public struct SimulatedLink {
  private struct Arrival: Comparable {
    let at: Int64
    let order: UInt64
    let flow: Int
    let bytes: [UInt8]

    static func < (left: Arrival, right: Arrival) -> Bool { (left.at, left.order) < (right.at, right.order) }
    static func == (left: Arrival, right: Arrival) -> Bool { (left.at, left.order) == (right.at, right.order) }
  }

  /// The conditions, which may change at any time.
  public var conditions: SimulatedLinkConditions
  private var random: SeededGenerator
  private var travelling = Heap<Arrival>()
  private var freeAt: Int64 = 0
  private var count: UInt64 = 0
  /// Datagrams that the bottleneck had no room for.
  public private(set) var overflows = 0

  /// UDP and IPv4 headers: they take the bottleneck's time, too.
  private static let headers = 28

  /// An idle link.
  public init(_ conditions: SimulatedLinkConditions, seed: UInt64) {
    self.conditions = conditions
    random = SeededGenerator(seed: seed)
  }

  /// Takes a datagram of a flow; one that may be fragmented passes whatever its size.
  public mutating func send(
    _ bytes: UnsafeRawBufferPointer, flow: Int = 0, mayBeFragmented: Bool = false, now: Instant
  ) {
    guard bytes.count <= conditions.mtu || mayBeFragmented else { return }
    var leaves = now.nanoseconds
    if let rate = conditions.rate {
      let start = max(freeAt, leaves)
      guard Double(start - leaves) / 1e9 * rate / 8 <= Double(conditions.buffer) else {
        overflows += 1
        return
      }
      leaves = start + Int64(Double(bytes.count + Self.headers) * 8e9 / rate)
      freeAt = leaves
    }
    guard !conditions.isBlackHole, !random.chance(conditions.loss) else { return }
    var copy = Array(bytes)
    if random.chance(conditions.corruption) {
      copy[Int(random.next() % UInt64(copy.count))] ^= 1 << UInt8(random.next() % 8)
    }
    let copies = random.chance(conditions.duplication) ? 2 : 1
    for _ in 0..<copies {
      let late = random.duration(upTo: conditions.jitter)
      count += 1
      travelling.insert(
        Arrival(
          at: leaves + (conditions.delay + late).nanoseconds, order: count, flow: flow, bytes: copy))
    }
  }

  /// When the next datagram arrives.
  public var nextArrival: Instant? { travelling.min.map { Instant(nanoseconds: $0.at) } }

  /// The datagram that has arrived by `now`, and its flow.
  public mutating func arrival(by now: Instant) -> (flow: Int, bytes: [UInt8])? {
    guard let next = travelling.min, next.at <= now.nanoseconds else { return nil }
    travelling.removeMin()
    return (next.flow, next.bytes)
  }
}
