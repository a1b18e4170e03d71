import STUN

/// Traits as two people tell them each other: `cone/port-restricted`, or `symmetric/port-restricted/sequential+1`.
///
/// The first word is the mapping, the second the filtering, and the third, of symmetric NATs only, how ports are given. The ports that were seen
/// are no part of it.
extension NATTraits: LosslessStringConvertible {
  /// Reads what ``description`` writes, and nothing else; the third word may be left out.
  public init?(_ text: String) {
    let words = text.split(separator: "/", omittingEmptySubsequences: false)
    guard let filtering = words.dropFirst().first.flatMap({ FilteringBehavior(word: $0) }) else { return nil }
    switch (words[0], words.count) {
    case ("unknown", 2): self.init(filtering: filtering)
    case ("cone", 2): self.init(mapping: .endpointIndependent, filtering: filtering)
    case ("symmetric", 2): self.init(mapping: .endpointDependent, filtering: filtering)
    case ("symmetric", 3):
      guard let allocation = PortAllocation(word: words[2]) else { return nil }
      self.init(mapping: .endpointDependent, filtering: filtering, allocation: allocation)
    default: return nil
    }
  }

  /// The words, joined by slashes.
  public var description: String {
    let mapping =
      switch self.mapping.isSymmetric {
      case true?: "symmetric"
      case false?: "cone"
      case nil: "unknown"
      }
    return ([mapping, filtering.word] + (isSymmetric ? [allocation.word] : [])).joined(separator: "/")
  }
}

extension FilteringBehavior {
  fileprivate var word: String {
    switch self {
    case .endpointIndependent: "open"
    case .addressDependent: "address-restricted"
    case .addressAndPortDependent: "port-restricted"
    case .unknown: "unknown"
    }
  }

  fileprivate init?(word: Substring) {
    guard let behavior = Self.allCases.first(where: { $0.word == word }) else { return nil }
    self = behavior
  }
}

extension PortAllocation {
  fileprivate var word: String {
    switch self {
    case .preserving: "preserving"
    case .sequential(let step): "sequential\(step < 0 ? "" : "+")\(step)"
    case .random: "random"
    case .unknown: "unknown"
    }
  }

  fileprivate init?(word: Substring) {
    let prefix = "sequential"
    switch word {
    case "preserving": self = .preserving
    case "random": self = .random
    case "unknown": self = .unknown
    case _ where word.hasPrefix(prefix):
      guard let step = Int(word.dropFirst(prefix.count)), step != 0, step.magnitude <= Self.longestStep,
        PortAllocation.sequential(step: step).word == word
      else { return nil }
      self = .sequential(step: step)
    default: return nil
    }
  }
}
