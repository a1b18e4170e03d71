import Datagrams

/// What a wire does to datagrams.
public struct LinkSettings: Hashable, Sendable {
  /// The share of datagrams that get lost, 0 to 1.
  public var loss: Double
  /// The least time one way.
  public var delay: Duration
  /// Random time on top, evenly distributed up to this; more than the gap between datagrams reorders them.
  public var jitter: Duration
  /// The share of datagrams that arrive twice.
  public var duplication: Double
  /// The share of datagrams that are held back by `reorderingDelay`, behind those that follow.
  public var reordering: Double
  /// How long those are held back.
  public var reorderingDelay: Duration

  /// A wire; by default a perfect one that takes no time.
  public init(
    loss: Double = 0, delay: Duration = .zero, jitter: Duration = .zero, duplication: Double = 0,
    reordering: Double = 0, reorderingDelay: Duration = .milliseconds(50)
  ) {
    self.loss = loss
    self.delay = delay
    self.jitter = jitter
    self.duplication = duplication
    self.reordering = reordering
    self.reorderingDelay = reorderingDelay
  }

  /// Loses nothing and takes no time.
  public static let perfect = LinkSettings()

  /// A wire as bad as the seed makes it, losing up to a third of all datagrams, or up to `loss`.
  public static func adverse(loss: Double = 0.33, random: inout SeededGenerator) -> LinkSettings {
    LinkSettings(
      loss: Double.random(in: 0...loss, using: &random), delay: .milliseconds(Int.random(in: 1...150, using: &random)),
      jitter: .milliseconds(Int.random(in: 0...60, using: &random)),
      duplication: Double.random(in: 0...0.1, using: &random), reordering: Double.random(in: 0...0.1, using: &random))
  }

  /// When the copies of a datagram arrive: none if it is lost, two if it is duplicated.
  func arrivals(sent now: Instant, random: inout SeededGenerator) -> [Instant] {
    guard self != .perfect else { return [now] }
    guard !random.chance(loss) else { return [] }
    return (0..<(random.chance(duplication) ? 2 : 1)).map { _ in
      var time = delay + random.duration(upTo: jitter)
      if random.chance(reordering) { time += reorderingDelay }
      return now.advanced(by: time)
    }
  }
}
