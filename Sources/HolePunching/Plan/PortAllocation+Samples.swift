extension PortAllocation {
  /// The public port that a NAT gave to a fresh socket.
  public struct Sample: Hashable, Sendable {
    /// The socket's own port.
    public var local: UInt16
    /// What a server saw.
    public var mapped: UInt16

    /// Joins both.
    public init(local: UInt16, mapped: UInt16) { (self.local, self.mapped) = (local, mapped) }
  }

  /// The rule behind samples, in the order in which the mappings were made. Some may be missing, and other hosts may have got ports in
  /// between, so two steps of three are enough for a sequence; six random ports make one by chance in less than one case of a billion.
  public init(_ samples: [Sample]) {
    guard samples.count >= 3 else {
      self = .unknown
      return
    }
    if samples.allSatisfy({ $0.local == $0.mapped }) {
      self = .preserving
      return
    }
    let steps = zip(samples, samples.dropFirst()).map { Int($1.mapped) - Int($0.mapped) }
    let regular = [1, -1].map { sign in
      steps.filter { $0.signum() == sign && $0.magnitude <= Self.longestStep }
    }
    guard let most = regular.max(by: { $0.count < $1.count }), most.count * 3 >= steps.count * 2 else {
      self = .random
      return
    }
    var counts: [Int: Int] = [:]
    for step in most { counts[step, default: 0] += 1 }
    // Where two are as frequent, the longer one has a stranger's port in it.
    let step = counts.max { ($0.value, -$0.key.magnitude.asInt) < ($1.value, -$1.key.magnitude.asInt) }?.key
    self = step.map { .sequential(step: $0) } ?? .random
  }
}

extension UInt {
  fileprivate var asInt: Int { Int(clamping: self) }
}
