import Datagrams
import LibC

/// CUBIC (RFC 9438) with slow start and pacing at 1.25 times the window a round trip: what the rest of the world runs, to measure
/// against.
struct Cubic: CongestionController {
  private static let c = 0.4
  private static let beta = 0.7

  private let datagramSize: Double
  private var cwnd: Double
  private var threshold = Double.infinity
  private var largest = 0.0
  private var epoch: Instant?
  private var k = 0.0
  private var estimate = 0.0
  private var recoveryUntil: UInt64 = 0
  private var roundTrip: Nanoseconds = RTTEstimator.initial
  private var isWindowLimited = false

  init(datagramSize: Int) {
    self.datagramSize = Double(datagramSize)
    cwnd = 10 * Double(datagramSize)
  }

  var window: Int { Int(cwnd) }
  var pacingRate: Double { (cwnd < threshold ? 2 : 1.25) * cwnd / Double(roundTrip) * 1e9 }

  mutating func onSent(bytes: Int, inFlight: Int, now: Instant) {}

  mutating func onAck(_ event: AckEvent) {
    roundTrip = event.smoothedRoundTrip
    guard event.sample.priorDelivered >= recoveryUntil, isWindowLimited || event.priorInFlight * 2 > window else {
      return
    }
    isWindowLimited = false
    if cwnd < threshold {
      cwnd += Double(event.acknowledged)
      return
    }
    let start = epoch ?? event.now
    if epoch == nil {
      epoch = start
      estimate = cwnd
      if largest < cwnd { (largest, k) = (cwnd, 0) } else { k = cbrt((largest - cwnd) / datagramSize / Self.c) }
    }
    let time = Double(event.now.since(start) + roundTrip) / 1e9
    let target = largest + Self.c * pow(time - k, 3) * datagramSize
    estimate += 3 * (1 - Self.beta) / (1 + Self.beta) * Double(event.acknowledged) / cwnd * datagramSize
    let goal = max(min(target, 1.5 * cwnd), estimate, cwnd)
    cwnd += (goal - cwnd) / cwnd * Double(event.acknowledged)
  }

  mutating func onLoss(_ event: LossEvent) {
    guard event.deliveredAtSend >= recoveryUntil else { return }
    recoveryUntil = event.delivered + 1
    largest = cwnd < largest ? cwnd * (1 + Self.beta) / 2 : cwnd
    cwnd = max(cwnd * Self.beta, 2 * datagramSize)
    threshold = cwnd
    epoch = nil
  }

  mutating func onPersistentCongestion() {
    threshold = max(cwnd * Self.beta, 2 * datagramSize)
    cwnd = 2 * datagramSize
    epoch = nil
  }

  mutating func onWindowLimited() { isWindowLimited = true }
}
