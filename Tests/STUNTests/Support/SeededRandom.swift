import Glibc

/// SplitMix64. Prints its seed; PLEXUS_SEED in the environment replays a run.
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64

  init() {
    let seed = getenv("PLEXUS_SEED").flatMap { UInt64(String(cString: $0)) } ?? UInt64.random(in: 0...(.max))
    print("PLEXUS_SEED=\(seed)")
    self.init(seed: seed)
  }

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
