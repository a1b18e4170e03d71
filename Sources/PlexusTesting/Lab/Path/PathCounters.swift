/// What went over a path, and what did not.
public struct PathCounters: Hashable, Sendable {
  /// From the left host to the right one.
  public var leftToRight = LinkCounters()
  /// From the right host to the left one.
  public var rightToLeft = LinkCounters()
  /// The processor's time that the emulator took, which includes the receiving hosts' IP stacks.
  public var processorTime = Duration.zero
}

/// What went over one direction of a path.
public struct LinkCounters: Hashable, Sendable {
  /// Packets that arrived at the other end.
  public var packets = 0
  /// Bytes of these, IP headers included.
  public var bytes = 0
  /// Packets that found the queue full.
  public var droppedByQueue = 0
  /// Packets that were lost at random.
  public var droppedByLoss = 0
  /// Packets that were lost because the link was a black hole.
  public var droppedByBlackhole = 0
  /// Packets for which the emulator had no memory, or which the other end's interface refused; a measurement with such is void.
  public var droppedByEmulator = 0
  /// The most bytes that waited in the queue.
  public var largestQueue = 0
  /// How late packets were handed over, summed.
  public var lateness = Duration.zero
  /// How late the latest packet was handed over.
  public var greatestLateness = Duration.zero

  /// How late packets were handed over on average; this is the emulator's own share of delay and jitter.
  public var meanLateness: Duration { packets > 0 ? lateness / packets : .zero }
}
