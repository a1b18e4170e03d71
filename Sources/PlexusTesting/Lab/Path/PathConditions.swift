/// What a path between two hosts does to packets, in each of its directions.
public struct PathConditions: Hashable, Sendable {
  /// From the left host to the right one.
  public var leftToRight: LinkConditions
  /// From the right host to the left one.
  public var rightToLeft: LinkConditions

  /// A path with different directions.
  public init(leftToRight: LinkConditions, rightToLeft: LinkConditions) {
    self.leftToRight = leftToRight
    self.rightToLeft = rightToLeft
  }

  /// A path that is the same in both directions.
  ///
  /// - Parameters:
  ///   - rate: Bits a second of IP packets, headers included; nil for as many as this machine carries.
  ///   - rtt: The time there and back, without waiting in queues.
  ///   - loss: The share of packets that each direction loses, 0 to 1.
  ///   - buffer: Bytes of the queue before the bottleneck; nil for rate × RTT.
  ///   - mtu: The largest IP packet in bytes.
  public init(
    rate: Int? = nil, rtt: Duration = .zero, loss: Double = 0, buffer: Int? = nil, mtu: Int = LinkConditions.usualMTU
  ) {
    let link = LinkConditions(rate: rate, delay: rtt / 2, loss: loss, buffer: buffer, mtu: mtu)
    self.init(leftToRight: link, rightToLeft: link)
  }

  /// The time there and back, without waiting in queues.
  public var rtt: Duration { leftToRight.delay + rightToLeft.delay }

  /// The same with every buffer's size filled in: rate × RTT where nothing else was asked for.
  var resolved: PathConditions {
    PathConditions(leftToRight: leftToRight.resolved(rtt: rtt), rightToLeft: rightToLeft.resolved(rtt: rtt))
  }

  /// - Throws: ``LabError`` with code ``LabError/Code/invalidTopology`` that names the first value out of range.
  func validate() throws(LabError) {
    try leftToRight.validate()
    try rightToLeft.validate()
  }
}

/// What one direction of a path does to packets: they wait in a queue, leave it one after another at the rate, some are lost, and
/// the others arrive after the delay, in order.
public struct LinkConditions: Hashable, Sendable {
  /// Bits a second of IP packets, headers included, 1000 to 10^11; nil for no limit, and then there is no queue.
  public var rate: Int?
  /// The time from leaving the queue to arriving, 0 to 60 s.
  public var delay: Duration
  /// The share of packets that get lost after the queue, at random and independently, 0 to 1.
  public var loss: Double
  /// Bytes that may wait in the queue, the packet that is leaving included; what does not fit is dropped. Nil for rate × RTT.
  public var buffer: Int?
  /// The largest IP packet in bytes, 576 to 65535. It is that of the sending host's interface and stays what it was at the start.
  public var mtu: Int
  /// Whether every packet that leaves the queue is lost.
  public var isBlackhole: Bool

  /// The largest IP packet in an Ethernet frame.
  public static let usualMTU = 1500

  /// One direction; by default a perfect one that takes no time.
  public init(
    rate: Int? = nil, delay: Duration = .zero, loss: Double = 0, buffer: Int? = nil, mtu: Int = usualMTU,
    isBlackhole: Bool = false
  ) {
    self.rate = rate
    self.delay = delay
    self.loss = loss
    self.buffer = buffer
    self.mtu = mtu
    self.isBlackhole = isBlackhole
  }

  /// Without a rate nothing ever waits, so the size is of no consequence.
  private static let bufferWithoutRate = 1_000_000
  /// With hardly any delay rate × RTT would be less than a burst; ten packets are what a TCP connection starts with.
  private static let leastPackets = 10

  func resolved(rtt: Duration) -> LinkConditions {
    guard buffer == nil else { return self }
    var link = self
    link.buffer =
      rate.map { rate in
        let product = Double(rate) / 8 * (rtt / .seconds(1))
        return max(Int(product.rounded(.up)), Self.leastPackets * mtu)
      } ?? Self.bufferWithoutRate
    return link
  }

  func validate() throws(LabError) {
    func require(_ condition: Bool, _ sentence: String) throws(LabError) {
      if !condition { throw LabError(.invalidTopology, sentence) }
    }
    if let rate {
      try require(
        (1000...100_000_000_000).contains(rate), "a path's rate is 1kbit to 100gbit a second, not \(rate) bit/s")
    }
    try require(
      delay >= .zero && delay <= .seconds(60), "a path's delay is 0 to 60 s in each direction, not \(delay)")
    try require((0...1).contains(loss), "a path loses 0% to 100% of the packets, not \(loss * 100)%")
    if let buffer {
      try require(
        (1...1_000_000_000).contains(buffer), "a path's buffer holds 1 byte to 1 GB, not \(buffer) bytes")
    }
    try require((576...65535).contains(mtu), "a path's MTU is 576 to 65535 bytes, not \(mtu)")
  }
}
