/// Changes inputs at random, as libFuzzer does but without looking at what they reach.
struct Mutator {
  private static let maximumLength = 4096
  /// What limits and length fields are made of.
  private static let edges: [UInt8] = [0x00, 0x01, 0x04, 0x20, 0x25, 0x2F, 0x3D, 0x7F, 0x80, 0xFE, 0xFF]

  let inputs: [[UInt8]]
  var random: FuzzRandom

  /// One of the inputs, changed in a few places.
  mutating func next() -> [UInt8] {
    var input = inputs.randomElement(using: &random) ?? []
    for _ in 0..<Int.random(in: 1...4, using: &random) { change(&input) }
    return Array(input.prefix(Self.maximumLength))
  }

  private mutating func change(_ input: inout [UInt8]) {
    let position = Int.random(in: 0...input.count, using: &random)
    let count = Int.random(in: 0...min(16, input.count - position), using: &random)
    let range = position..<position + count
    switch Int.random(in: 0..<6, using: &random) {
    case 0 where position < input.count: input[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    case 1 where position < input.count: input[position] = Self.edges.randomElement(using: &random) ?? 0
    case 2: input.removeSubrange(range)
    case 3: input.insert(contentsOf: input[range], at: position)
    case 4:
      // Goes on as another input.
      let other = inputs.randomElement(using: &random) ?? []
      input = Array(input.prefix(position) + other.suffix(Int.random(in: 0...other.count, using: &random)))
    default: input.insert(.random(in: 0...255, using: &random), at: position)
    }
  }
}
