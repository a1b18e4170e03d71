import LibC

/// SplitMix64: a small random generator that repeats itself from its seed. Not for secrets.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// Starts the sequence that belongs to `seed`.
  public init(seed: UInt64) { state = seed }

  /// The next 64 bits of the sequence.
  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }

  /// A generator of its own, so that what it is used for does not shift the others' numbers.
  public mutating func split() -> SeededGenerator { SeededGenerator(seed: next()) }

  /// True with the given probability, 0 to 1.
  public mutating func chance(_ probability: Double) -> Bool {
    probability > 0 && Self.unit(next()) < probability
  }

  /// Evenly distributed from zero up to, but not including, `limit`.
  public mutating func duration(upTo limit: Duration) -> Duration {
    limit > .zero ? limit * Self.unit(next()) : .zero
  }

  private static func unit(_ bits: UInt64) -> Double { Double(bits >> 11) * 0x1p-53 }
}

/// The seeds of a randomised test.
///
/// Each schedule of such a test is made of one seed. With PLEXUS_SEED in the environment there is just that one, so
/// that `PLEXUS_SEED=… swift test --filter …` replays the schedule that failed.
public enum TestSeeds {
  /// The seed in the environment, decimal.
  public static let replayed: UInt64? = getenv("PLEXUS_SEED").flatMap { UInt64(String(cString: $0)) }

  /// Where this process starts to count.
  private static let base = UInt64.random(in: 0..<1 << 48)

  /// A generator for a test that has one schedule only; prints its seed, since the test cannot tell it later.
  public static func printed(for test: String = #function) -> SeededGenerator {
    let seed = replayed ?? UInt64.random(in: 0...UInt64.max)
    print("\(test): PLEXUS_SEED=\(seed)")
    return SeededGenerator(seed: seed)
  }

  /// As many seeds as asked for; PLEXUS_SCHEDULES in the environment multiplies them, for a longer search.
  public static func schedules(_ count: Int) -> [UInt64] {
    if let replayed { return [replayed] }
    let factor = getenv("PLEXUS_SCHEDULES").flatMap { Int(String(cString: $0)) } ?? 1
    return (0..<UInt64(max(count * factor, 1))).map { base + $0 }
  }
}
