import Datagrams

/// When a request is sent again (RFC 8489 6.2.1).
public struct RetransmissionPolicy: Hashable, Sendable {
  /// RTO, the wait before the first repeat, doubled for each one after it. 500 ms is what the RFC asks for where the
  /// round trip is not known; once a server has answered, its round trip decides instead (see ``timeout(forRoundTrip:)``).
  public var initialTimeout: Duration
  /// Rc, how often a request is sent at most.
  public var maximumRequests: Int
  /// Rm, how many initial timeouts the last request waits for its answer.
  public var finalWait: Int
  /// Up to which the wait is doubled; nil, as in the RFC, sets no bound.
  public var longestTimeout: Duration?

  /// The RFC's own numbers: 500 ms, 7 requests, and 16 timeouts after the last, 39.5 s in all.
  public init(
    initialTimeout: Duration = .milliseconds(500), maximumRequests: Int = 7, finalWait: Int = 16,
    longestTimeout: Duration? = nil
  ) {
    self.initialTimeout = max(initialTimeout, Self.shortestTimeout)
    self.maximumRequests = max(maximumRequests, 1)
    self.finalWait = max(finalWait, 1)
    self.longestTimeout = longestTimeout.map { max($0, Self.shortestTimeout) }
  }

  /// For whoever waits a few seconds and no more: each 500 ms. With doubled waits three requests fit into three seconds, and where a tenth of the
  /// datagrams gets lost each way all of them do once in 150 times; six do once in 20,000.
  public static let brief = RetransmissionPolicy(longestTimeout: .milliseconds(500))

  /// Below 50 ms a repeat mostly meets its answer on the way: Wi-Fi and mobile links jitter by that much.
  private static let shortestTimeout = Duration.milliseconds(50)

  /// RTO after a first measurement: round trip + 4 × half the round trip (RFC 6298 2.2), never longer than the initial
  /// one, because everything here ends within seconds.
  func timeout(forRoundTrip roundTrip: Duration) -> Duration {
    min(max(roundTrip * 3, Self.shortestTimeout), initialTimeout)
  }
}

/// The repeats of one request.
struct RetransmissionTimer: Hashable, Sendable {
  enum Due { case transmit, giveUp }

  private let policy: RetransmissionPolicy
  /// The wait before the first repeat, and the one that follows the last transmission.
  private var baseTimeout: Duration
  private var timeout: Duration
  private(set) var transmissions = 1
  /// When the transmission before the last one left.
  private var previousSent: Instant?
  let firstSent: Instant
  private(set) var lastSent: Instant
  /// When to ask ``fire(at:)`` again.
  private(set) var deadline: Instant

  /// A request that is sent `now`.
  init(policy: RetransmissionPolicy, timeout: Duration, now: Instant) {
    self.policy = policy
    (baseTimeout, self.timeout) = (timeout, timeout)
    (firstSent, lastSent, deadline) = (now, now, now)
    schedule()
  }

  /// What to do now; nil before ``deadline``.
  mutating func fire(at now: Instant) -> Due? {
    guard now >= deadline else { return nil }
    guard transmissions < policy.maximumRequests else { return .giveUp }
    transmissions += 1
    (previousSent, lastSent) = (lastSent, now)
    timeout = min(timeout * 2, policy.longestTimeout ?? timeout * 2)
    schedule()
    return .transmit
  }

  /// Takes the timeout that a measured round trip gives, if that is shorter: the next repeat comes the sooner.
  mutating func adopt(timeout measured: Duration) {
    guard measured < timeout, transmissions < policy.maximumRequests else { return }
    (baseTimeout, timeout) = (measured, measured)
    schedule()
  }

  /// Whether no answer until `now` means that none comes, rather than that one datagram got lost: at least two requests
  /// left, and one after the first has waited for a whole timeout.
  func provesSilence(at now: Instant) -> Bool {
    guard transmissions > 1, let previousSent else { return false }
    let repeated = transmissions > 2 ? previousSent : lastSent
    return max(repeated.duration(to: now), lastSent.duration(to: now)) >= baseTimeout
  }

  /// When the last of three requests has waited for a whole timeout; nil before the third has left. By then even a link
  /// that loses every tenth datagram would have let one pass, 99 times in 100.
  var thirdTimeout: Instant? { transmissions < 3 ? nil : lastSent.advanced(by: baseTimeout) }

  /// When the second of two requests has waited for a whole timeout, which is the least that a silence takes; nil before it
  /// has left, and after the third has.
  var secondTimeout: Instant? { transmissions == 2 ? lastSent.advanced(by: baseTimeout) : nil }

  private mutating func schedule() {
    let wait = transmissions < policy.maximumRequests ? timeout : policy.initialTimeout * policy.finalWait
    deadline = lastSent.advanced(by: wait)
  }
}
