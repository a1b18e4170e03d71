import Datagrams

/// Congestion control after BBR, version 3 (draft-ietf-ccwg-bbr): keeps a model of the path's rate and shortest round trip, paces at that rate,
/// bounds what is in flight to about two of their products, and probes for more every two to three seconds. Losses bound it only
/// beyond what the path loses by itself, see ``LossModel``.
struct BBR: CongestionController {
  enum Phase { case down, cruise, refill, up }
  enum State: Equatable {
    case startup
    case drain
    case probeBandwidth(Phase)
    case probeRTT
  }
  enum AckPhase { case initial, starting, feedback, stopping, refilling }

  let datagramSize: Double
  private(set) var window: Int
  private(set) var pacingRate: Double

  var state = State.startup
  var pacingGain = BBRGain.startupPacing
  var windowGain = BBRGain.window
  var isWindowLimited = false

  // The model: rates in bytes a second, volumes in bytes.
  var maximumRate = MaximumRate()
  var loss = LossModel()
  var aggregation = AckAggregation()
  var minimumRTT: Nanoseconds = 0
  var minimumRTTAt: Instant
  /// Long-term bound of what may be in flight, from losses while probing.
  var upperBound = Double.infinity
  /// Short-term bounds, from losses since the last probe.
  var lowerRate = Double.infinity
  var lowerBound = Double.infinity
  var latestRate = 0.0
  var latestDelivered = 0.0

  // Rounds: a round ends when something sent after its start is acknowledged.
  var roundCount: UInt64 = 0
  var nextRound: UInt64 = 0
  var lossRoundEnd: UInt64 = 0

  // Start-up: whether the path is filled.
  var isFilled = false
  var isPlateau = false
  var plateauRate = 0.0
  var plateauRounds = 0

  // Probing for bandwidth.
  var ackPhase = AckPhase.initial
  var isProbing = false
  var cycleStart: Instant
  var probeWait: Nanoseconds = 2 * .second
  var roundsSinceProbe: UInt64 = 0
  var upRounds: UInt64 = 0
  var upAcknowledged = 0.0
  var upCount = Double.infinity

  // Probing for the round trip.
  var probeRTTMinimum: Nanoseconds = .max
  var probeRTTMinimumAt: Instant
  var probeRTTEnd: Instant?
  var probeRTTRound: UInt64 = 0
  var priorWindow = 0
  var isIdleRestart = false

  private var random: SplitMix

  init(datagramSize: Int, now: Instant, seed: UInt64) {
    self.datagramSize = Double(datagramSize)
    // RFC 6928's initial window, let go within a millisecond until the round trip is known.
    window = 10 * datagramSize
    pacingRate = BBRGain.startupPacing * Double(window) * 1000
    (minimumRTTAt, probeRTTMinimumAt, cycleStart) = (now, now, now)
    random = SplitMix(seed: seed)
  }

  /// The rate the model holds for safe.
  var rate: Double { min(maximumRate.value, lowerRate) }

  /// The smallest window: four datagrams, so that echoes keep coming.
  var smallestWindow: Double { 4 * datagramSize }

  /// The product of rate and shortest round trip.
  func bandwidthDelayProduct(_ rate: Double) -> Double {
    minimumRTT > 0 ? rate * Double(minimumRTT) / 1e9 : 10 * datagramSize
  }

  mutating func onSent(bytes: Int, inFlight: Int, now: Instant) {
    if inFlight == 0 { isIdleRestart = true }
  }

  mutating func onWindowLimited() { isWindowLimited = true }

  mutating func onAck(_ event: AckEvent) {
    let isRoundStart = event.sample.priorDelivered >= nextRound
    if isRoundStart {
      nextRound = event.delivered
      roundCount += 1
      roundsSinceProbe += 1
    }
    updateRates(event, isRoundStart: isRoundStart)
    updateStartup(event, isRoundStart: isRoundStart)
    updateCycle(event, isRoundStart: isRoundStart)
    updateMinimumRTT(event)
    updateProbeRTT(event, isRoundStart: isRoundStart)
    isIdleRestart = false
    if isRoundStart { isWindowLimited = false }
    setPacingRate(event)
    setWindow(event)
  }

  mutating func onLoss(_ event: LossEvent) {
    loss.lost(event.bytes)
    guard isProbing, !event.isAppLimited else { return }
    let inFlight = Double(event.inFlightAtSend)
    guard Double(event.lostSinceSent) > max(loss.threshold * inFlight, 2.5 * datagramSize) else { return }
    // More than the path takes.
    isProbing = false
    upperBound = max(inFlight, min(bandwidthDelayProduct(maximumRate.value), Double(window)) * BBRGain.beta)
    if state == .probeBandwidth(.up) { enterDown(now: event.now, delivered: event.delivered) }
  }

  mutating func onPersistentCongestion() { window = Int(smallestWindow) }

  // MARK: Model

  private mutating func updateRates(_ event: AckEvent, isRoundStart: Bool) {
    loss.delivered(event.acknowledged, roundTrip: event.roundTrip)
    latestRate = max(latestRate, event.sample.rate)
    latestDelivered = max(latestDelivered, Double(event.sample.delivered))
    if event.sample.rate >= maximumRate.value || !event.sample.isAppLimited { maximumRate.add(event.sample.rate) }
    if event.sample.priorDelivered >= lossRoundEnd {
      lossRoundEnd = event.delivered
      adaptLowerBounds()
      if !isFilled, plateauRounds > 0, loss.roundLossCount >= 6, loss.isCongested {
        // The queue of start-up overflows: that is enough. Losses alone are not, as long as the rate still grows: a bad line
        // would be held for a full one.
        isFilled = true
        upperBound = max(bandwidthDelayProduct(maximumRate.value), latestDelivered)
      }
      loss.endRound(isCruising: state == .probeBandwidth(.cruise), minimumRTT: minimumRTT)
      (latestRate, latestDelivered) = (event.sample.rate, Double(event.sample.delivered))
    }
    aggregation.add(
      event.acknowledged, rate: rate, window: window, now: event.now, isRoundStart: isRoundStart)
  }

  private mutating func adaptLowerBounds() {
    switch state {
    case .startup, .probeBandwidth(.refill), .probeBandwidth(.up): return
    case .drain, .probeRTT, .probeBandwidth(.down), .probeBandwidth(.cruise): break
    }
    guard loss.isCongested || loss.isCongestedByQueue(minimumRTT: minimumRTT) else { return }
    if lowerRate == .infinity { lowerRate = maximumRate.value }
    if lowerBound == .infinity { lowerBound = Double(window) }
    lowerRate = max(latestRate, BBRGain.beta * lowerRate)
    lowerBound = max(latestDelivered, BBRGain.beta * lowerBound)
  }

  private mutating func updateMinimumRTT(_ event: AckEvent) {
    guard let sample = event.roundTrip else { return }
    let isExpired = event.now.since(probeRTTMinimumAt) > Self.probeRTTInterval
    if sample <= probeRTTMinimum || isExpired {
      (probeRTTMinimum, probeRTTMinimumAt) = (sample, event.now)
      // Expiry is remembered by whoever acts on it.
      if isExpired { isProbeRTTDue = true }
    }
    if minimumRTT == 0 || probeRTTMinimum <= minimumRTT || event.now.since(minimumRTTAt) > Self.minimumRTTLife {
      (minimumRTT, minimumRTTAt) = (probeRTTMinimum, probeRTTMinimumAt)
    }
  }

  /// How long a shortest round trip is believed.
  private static let minimumRTTLife: Nanoseconds = 10 * .second
  /// How long it may go without being seen again.
  static let probeRTTInterval: Nanoseconds = 5 * .second
  var isProbeRTTDue = false

  mutating func restoreWindow() { window = max(window, priorWindow) }

  mutating func randomWait() -> Nanoseconds { 2 * .second + Nanoseconds(random.next() % UInt64(Nanoseconds.second)) }

  // MARK: Control

  private mutating func setPacingRate(_ event: AckEvent) {
    guard maximumRate.value > 0 else {
      pacingRate = BBRGain.startupPacing * Double(window) / Double(max(event.smoothedRoundTrip, 1)) * 1e9
      return
    }
    let goal = pacingGain * rate * BBRGain.pacingMargin
    // Until the path is filled, a slow sample is a small flight and no slow path.
    if isFilled || goal > pacingRate { pacingRate = max(goal, datagramSize) }
  }

  private mutating func setWindow(_ event: AckEvent) {
    let quantum = min(max(pacingRate / 1000, 2 * datagramSize), 262_144)
    var goal = max(windowGain * bandwidthDelayProduct(rate) + aggregation.extra, smallestWindow) + quantum
    if state == .probeBandwidth(.up) { goal += 2 * datagramSize }
    var next = Double(window)
    if isFilled {
      next = min(next + Double(event.acknowledged), goal)
    } else if next < goal || Double(event.delivered) < 10 * datagramSize {
      next += Double(event.acknowledged)
    }
    switch state {
    case .probeRTT:
      next = min(next, max(BBRGain.probeRTTWindow * bandwidthDelayProduct(rate), smallestWindow), boundWithHeadroom)
    case .probeBandwidth(.cruise): next = min(next, boundWithHeadroom)
    case .probeBandwidth: next = min(next, upperBound)
    case .startup, .drain: break
    }
    window = Int(max(min(next, lowerBound), smallestWindow))
  }

  /// The upper bound less what is left to others.
  var boundWithHeadroom: Double {
    upperBound == .infinity
      ? upperBound : max(upperBound - max(BBRGain.headroom * upperBound, datagramSize), smallestWindow)
  }
}

/// The small generator of Steele, Lea and Flood, for salts and waits: nothing that has to be secret.
struct SplitMix: Sendable {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
