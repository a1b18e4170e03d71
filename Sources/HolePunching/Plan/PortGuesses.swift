/// Which public ports to try of a peer whose NAT gives each destination another one, in which order.
///
/// The peer holds many ports open. Where nothing is known of them all guesses are equally good as long as none comes twice. Where ports
/// follow each other, those of the peer's sockets do as well, and form a run: it is met by walking in strides shorter than the run,
/// however far other hosts have moved the counter on meanwhile. One guess of four goes anywhere, in case the rule is none.
struct PortGuesses: Sendable {
  private enum Rule {
    case none
    case run(first: Int, step: Int)
    case block(Lattice)
  }

  /// Strides of each walk before the next one starts, a little shifted. Most runs are near, and are there as soon as the peer has
  /// begun, so short walks of an eighth of a second come first; 160 strides are 2560 ports, which the counter of a busy NAT hardly passes
  /// between the exchange and the checks.
  private static let walks = [16, 16, 16, 32, 64, 160]
  private static let round = walks.reduce(0, +)
  private static let stride = 16
  /// Six random ports lie as close together in 6 cases of a million: there the NAT gives each host a block of ports (RFC 6431, RFC 7422).
  private static let longestBlock = 4096

  private let rule: Rule
  private var anywhere: Lattice
  private var block: Lattice?
  private var count = 0

  /// - Parameter start: any number; where to begin.
  init(_ traits: NATTraits, start: UInt64) {
    anywhere = Lattice(lower: 1024, count: 65_536 - 1024, start: start)
    let samples = traits.sampledPorts.map(Int.init)
    switch traits.allocation {
    case .sequential(let step):
      rule = samples.last.map { .run(first: $0, step: step) } ?? .none
    case .preserving, .random, .unknown:
      if samples.count >= 5, let low = samples.min(), let high = samples.max(), high - low < Self.longestBlock {
        let margin = high - low + 16
        let lower = max(1024, low - margin)
        let lattice = Lattice(lower: lower, count: min(65_536, high + margin) - lower, start: start)
        rule = .block(lattice)
        block = lattice
      } else {
        rule = .none
      }
    }
  }

  /// The next port; never 0.
  mutating func next() -> UInt16 {
    count += 1
    if case .none = rule { return anywhere.next() }
    if count.isMultiple(of: 4) { return anywhere.next() }
    switch rule {
    case .none: return anywhere.next()
    case .block: return block?.next() ?? anywhere.next()
    case .run(let first, let step):
      return Self.port(first, step: step, steps: Self.steps(count - 1 - count / 4))
    }
  }

  /// How many steps ahead the guess of this number along the run is.
  private static func steps(_ index: Int) -> Int {
    var (walk, position) = (index / round * walks.count, index % round)
    for length in walks {
      if position < length { break }
      position -= length
      walk += 1
    }
    return 1 + position * stride + walk * 5 % stride
  }

  /// The port that comes a number of steps after another, in 1024...65535.
  static func port(_ first: Int, step: Int, steps: Int) -> UInt16 {
    let range = 65_536 - 1024
    let offset = (first - 1024 + step * steps) % range
    return UInt16(clamping: 1024 + (offset + range) % range)
  }
}

/// All numbers of a range, each once, far apart from the last one: steps of the golden section.
private struct Lattice: Sendable {
  private let lower: Int
  private let count: Int
  private let step: Int
  private var position: Int

  init(lower: Int, count: Int, start: UInt64) {
    (self.lower, self.count) = (lower, max(count, 1))
    var step = max(1, self.count * 618 / 1000)
    while Self.divisor(step, self.count) != 1 { step += 1 }
    self.step = step
    position = Int(start % UInt64(self.count))
  }

  mutating func next() -> UInt16 {
    position = (position + step) % count
    return UInt16(clamping: max(1, lower + position))
  }

  private static func divisor(_ left: Int, _ right: Int) -> Int { right == 0 ? left : divisor(right, left % right) }
}
