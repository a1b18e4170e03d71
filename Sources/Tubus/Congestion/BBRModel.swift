import Datagrams

/// BBR's constants (draft-ietf-ccwg-bbr, section 2), but for those that say otherwise.
enum BBRGain {
  /// 4 ln 2: lets the rate double each round.
  static let startupPacing = 2.77
  /// Empties in a round the queue that start-up made.
  static let drainPacing = 0.5
  static let upPacing = 1.25
  static let downPacing = 0.90
  static let window = 2.0
  static let upWindow = 2.25
  static let probeRTTWindow = 0.5
  /// The rate stays a hundredth below the estimate, so that queues shrink rather than grow.
  static let pacingMargin = 0.99
  /// What is left of a bound after congestion.
  static let beta = 0.7
  /// How much of the upper bound is left to others while cruising.
  static let headroom = 0.15
}

/// The largest delivery rate of the bandwidth probing cycle that runs and the one before.
struct MaximumRate {
  private var current = 0.0
  private var previous = 0.0

  var value: Double { max(current, previous) }

  mutating func add(_ rate: Double) { current = max(current, rate) }

  mutating func nextCycle() {
    // A cycle without a sample says nothing.
    guard current > 0 else { return }
    (previous, current) = (current, 0)
  }
}

/// How much more than the rate arrives at once where the path, or the echoes, bunch what they carry.
struct AckAggregation {
  private var start: Instant?
  private var acknowledged = 0.0
  private var recent = [0.0, 0.0]
  private var rounds = 0

  /// The most of the last five to ten rounds.
  var extra: Double { max(recent[0], recent[1]) }

  mutating func add(_ bytes: Int, rate: Double, window: Int, now: Instant, isRoundStart: Bool) {
    if isRoundStart {
      rounds += 1
      if rounds % 5 == 0 { recent = [recent[1], 0] }
    }
    var expected = rate * Double(start.map { now.since($0) } ?? 0) / 1e9
    if acknowledged <= expected || start == nil {
      (start, acknowledged, expected) = (now, 0, 0)
    }
    acknowledged += Double(bytes)
    recent[1] = max(recent[1], min(acknowledged - expected, Double(window)))
  }
}

/// What the path loses, and which part of that is no sign of congestion.
///
/// BBR holds more than 2 % of losses in a round trip for congestion. Radio links and bad lines lose more than that without being full,
/// and then it crawls. What is lost while the sender cruises at its estimate, with the round trip at its minimum (so that no queue is full),
/// is what the path loses by itself; only clearly more than that counts.
struct LossModel {
  /// The draft's limit, where the path loses nothing by itself.
  private static let limit = 0.02
  /// Never take more for granted: a shallow buffer that others fill looks like a bad line.
  private static let highest = 0.15

  private var cruiseLost = 0.0
  private var cruiseDelivered = 0.0
  private(set) var roundLost = 0.0
  private(set) var roundLossCount = 0
  private var roundDelivered = 0.0
  private var roundMinimum: Nanoseconds = .max

  /// The share of losses from which on a round counts as congested.
  var threshold: Double {
    let total = cruiseLost + cruiseDelivered
    guard total > 0 else { return Self.limit }
    return min(Self.limit + 2 * cruiseLost / total, Self.highest)
  }

  /// Whether this round lost more than the threshold; a single datagram or two are no statistics.
  var isCongested: Bool {
    roundLossCount >= 3 && roundLost > threshold * (roundLost + roundDelivered)
  }

  /// Whether the round lost anything while a queue stood on the path all the time: others are there, or we are too fast. Any loss
  /// counts then, as it does for the draft; without a queue it is more likely the line's.
  func isCongestedByQueue(minimumRTT: Nanoseconds) -> Bool {
    roundLossCount > 0 && roundMinimum != .max && roundMinimum > minimumRTT + minimumRTT / 4 + 2 * .millisecond
  }

  mutating func delivered(_ bytes: Int, roundTrip: Nanoseconds?) {
    roundDelivered += Double(bytes)
    if let roundTrip { roundMinimum = min(roundMinimum, roundTrip) }
  }

  mutating func lost(_ bytes: Int) {
    roundLost += Double(bytes)
    roundLossCount += 1
  }

  /// A round ends, which was spent `isCruising` without a queue of our own.
  mutating func endRound(isCruising: Bool, minimumRTT: Nanoseconds) {
    if isCruising, roundMinimum <= minimumRTT + minimumRTT / 10 + .millisecond {
      // Some twenty rounds are remembered.
      cruiseLost = cruiseLost * 0.95 + roundLost
      cruiseDelivered = cruiseDelivered * 0.95 + roundDelivered
    }
    (roundLost, roundLossCount, roundDelivered, roundMinimum) = (0, 0, 0, .max)
  }
}
