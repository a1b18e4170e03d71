import Datagrams

/// One direction of a path, without I/O: packets in, and out again when their time has come.
///
/// A packet joins a drop-tail queue, leaves it after those before it at the link's rate, may be lost then, and arrives after the
/// link's delay. Because order is kept, one ring holds both the queue and what is on its way: from `head` to `leaving` packets
/// travel, from `leaving` to `tail` they wait. Their bytes are in slots that are used again last in, first out, so that the
/// processor's cache holds them. Nothing is allocated after the start.
struct PathQueue: ~Copyable {
  private struct Packet {
    /// When it arrives, in nanoseconds; only for those that travel.
    var due: Int64
    var length: UInt32
    var slot: UInt32
  }

  private(set) var counters = Counters()
  private var conditions: LinkConditions
  private var delay: Int64
  private var random: SeededGenerator

  private let packets: UnsafeMutablePointer<Packet>
  private let capacity: Int
  private var head = 0
  private var leaving = 0
  private var tail = 0

  private let slots: UnsafeMutableRawPointer
  private let slotSize: Int
  private let free: UnsafeMutablePointer<UInt32>
  private var freeCount: Int

  /// Bytes that wait, the packet that is leaving included.
  private var waiting = 0
  /// When the packet that is leaving has left.
  private var leavingEnds: Int64 = 0
  /// When the packet that left last arrives; none may overtake it after the delay was shortened.
  private var lastDue = Int64.min

  /// Counts in nanoseconds, which is quicker than `Duration`.
  struct Counters {
    var packets = 0
    var bytes = 0
    var droppedByQueue = 0
    var droppedByLoss = 0
    var droppedByBlackhole = 0
    var droppedByEmulator = 0
    var largestQueue = 0
    var lateness: Int64 = 0
    var greatestLateness: Int64 = 0
  }

  /// An empty link.
  ///
  /// - Parameters:
  ///   - conditions: With the buffer filled in; see `PathConditions.resolved`.
  ///   - seed: Of the losses.
  ///   - capacity: Packets that it can hold at most, a power of two; memory is only taken for those that it does.
  init(_ conditions: LinkConditions, seed: UInt64, capacity: Int = 1 << 16) {
    precondition(capacity > 0 && capacity & (capacity - 1) == 0 && capacity <= 1 << 24)
    self.conditions = conditions
    delay = conditions.delay.nanoseconds
    self.random = SeededGenerator(seed: seed)
    self.capacity = capacity
    packets = .allocate(capacity: capacity)
    slotSize = (conditions.mtu + 63) & ~63
    // One more, for a packet that is only read to be dropped.
    slots = .allocate(byteCount: (capacity + 1) * slotSize, alignment: 64)
    free = .allocate(capacity: capacity)
    freeCount = capacity
    for index in 0..<capacity { free[index] = UInt32(capacity - 1 - index) }
  }

  deinit {
    packets.deallocate()
    slots.deallocate()
    free.deallocate()
  }

  /// Takes a packet in.
  ///
  /// - Parameters:
  ///   - now: Not before the last call's.
  ///   - read: Puts the packet into the room it is given, and returns its length; 0 or less if there is none.
  /// - Returns: Whether there was one.
  mutating func accept(at now: Instant, _ read: (UnsafeMutableRawBufferPointer) -> Int) -> Bool {
    let now = now.nanoseconds
    // Before a slot is chosen, because lost packets give theirs back.
    advance(to: now)
    // The spare slot is the one after all others.
    let slot = freeCount > 0 ? free[freeCount - 1] : UInt32(capacity)
    let length = read(.init(start: slots + Int(slot) * slotSize, count: slotSize))
    guard length > 0 else { return false }
    guard freeCount > 0, tail - head < capacity else {
      counters.droppedByEmulator += 1
      return true
    }
    // An idle link takes any packet, as there is nothing to wait for.
    guard leaving == tail || waiting + length <= conditions.buffer ?? .max else {
      counters.droppedByQueue += 1
      return true
    }
    if leaving == tail { leavingEnds = now + transmissionTime(length) }
    packets[tail & (capacity - 1)] = Packet(due: 0, length: UInt32(length), slot: slot)
    freeCount -= 1
    tail += 1
    waiting += length
    if conditions.rate == nil {
      advance(to: now)
    } else {
      counters.largestQueue = max(counters.largestQueue, waiting)
    }
    return true
  }

  /// Hands one packet over, if one has arrived.
  ///
  /// - Parameter write: Says whether it took the packet.
  /// - Returns: Whether there was one.
  mutating func deliver(at now: Instant, _ write: (UnsafeRawBufferPointer) -> Bool) -> Bool {
    let now = now.nanoseconds
    advance(to: now)
    guard head < leaving else { return false }
    let packet = packets[head & (capacity - 1)]
    guard packet.due <= now else { return false }
    if write(.init(start: slots + Int(packet.slot) * slotSize, count: Int(packet.length))) {
      counters.packets += 1
      counters.bytes += Int(packet.length)
      counters.lateness += now - packet.due
      counters.greatestLateness = max(counters.greatestLateness, now - packet.due)
    } else {
      counters.droppedByEmulator += 1
    }
    release(packet.slot)
    head += 1
    skipLost()
    return true
  }

  /// When to call `deliver` next; nil if it is empty.
  var nextArrival: Instant? {
    if head < leaving { return Instant(nanoseconds: packets[head & (capacity - 1)].due) }
    guard leaving < tail else { return nil }
    return Instant(nanoseconds: max(leavingEnds + delay, lastDue))
  }

  /// Goes on under other conditions: what waits leaves at the new rate, what travels already arrives as it would have.
  mutating func change(to new: LinkConditions, at now: Instant) {
    let now = now.nanoseconds
    advance(to: now)
    let old = conditions
    conditions = new
    delay = new.delay.nanoseconds
    guard leaving < tail else { return }
    leavingEnds =
      if let oldRate = old.rate, let newRate = new.rate {
        now + Int64((Double(leavingEnds - now) * Double(oldRate) / Double(newRate)).rounded())
      } else {
        now
      }
    advance(to: now)
  }

  /// Lets every packet leave whose turn has come.
  private mutating func advance(to now: Int64) {
    while leaving < tail, leavingEnds <= now {
      let index = leaving & (capacity - 1)
      leaving += 1
      waiting -= Int(packets[index].length)
      if isLost() {
        release(packets[index].slot)
        packets[index].length = 0
      } else {
        lastDue = max(lastDue, leavingEnds + delay)
        packets[index].due = lastDue
      }
      if leaving < tail { leavingEnds += transmissionTime(Int(packets[leaving & (capacity - 1)].length)) }
    }
    skipLost()
  }

  private mutating func isLost() -> Bool {
    if conditions.isBlackhole {
      counters.droppedByBlackhole += 1
      return true
    }
    guard random.chance(conditions.loss) else { return false }
    counters.droppedByLoss += 1
    return true
  }

  /// A lost packet has no length; the head never rests on one.
  private mutating func skipLost() {
    while head < leaving, packets[head & (capacity - 1)].length == 0 { head += 1 }
  }

  private mutating func release(_ slot: UInt32) {
    free[freeCount] = slot
    freeCount += 1
  }

  private func transmissionTime(_ length: Int) -> Int64 {
    guard let rate = conditions.rate else { return 0 }
    return Int64(length * 8) * 1_000_000_000 / Int64(rate)
  }
}

extension LinkCounters {
  init(_ counters: PathQueue.Counters) {
    packets = counters.packets
    bytes = counters.bytes
    droppedByQueue = counters.droppedByQueue
    droppedByLoss = counters.droppedByLoss
    droppedByBlackhole = counters.droppedByBlackhole
    droppedByEmulator = counters.droppedByEmulator
    largestQueue = counters.largestQueue
    lateness = .nanoseconds(counters.lateness)
    greatestLateness = .nanoseconds(counters.greatestLateness)
  }
}
