import CTun
import Datagrams
import LibC

/// Carries packets between two TUN devices through a queue each way, on a thread of its own, until it is told to stop.
///
/// One thread serves both directions: then there is nothing to lock, and the two hosts have the rest of a small machine.
struct PathLoop: ~Copyable {
  /// Packets that one direction may take in, or hand over, before the other one gets its turn. At some 3 µs each, this keeps the error
  /// of the time at which a packet is seen below 50 µs.
  private static let batch = 16
  /// How often the processor's time is asked for, which takes a system call.
  private static let processorTimeInterval: Int64 = 10_000_000

  private let left: Int32
  private let right: Int32
  private let control: PathControl
  private var leftToRight: PathQueue
  private var rightToLeft: PathQueue
  private var processorTime: Int64 = 0
  private var processorTimeRead = Int64.min

  /// A loop between the devices `left` and `right`, which stay open until it has ended.
  init(left: Int32, right: Int32, conditions: PathConditions, seed: UInt64, control: PathControl) {
    self.left = left
    self.right = right
    self.control = control
    var seeds = SeededGenerator(seed: seed)
    leftToRight = PathQueue(conditions.leftToRight, seed: seeds.next())
    rightToLeft = PathQueue(conditions.rightToLeft, seed: seeds.next())
  }

  /// Runs until `PathControl.stop()`.
  mutating func run() {
    // A host that computes must not make the path late. Without the right to this, the counters show how late it was.
    _ = plexus_be_punctual()
    let descriptors = UnsafeMutablePointer<pollfd>.allocate(capacity: 3)
    defer { descriptors.deallocate() }
    for (index, descriptor) in [left, right, control.wakeUp].enumerated() {
      descriptors[index] = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    }
    while true {
      wait(descriptors)
      if descriptors[2].revents != 0 {
        switch control.takeOrder() {
        case .stop:
          publish(Self.now())
          return
        case .change(let conditions):
          let now = Self.now()
          leftToRight.change(to: conditions.leftToRight, at: now)
          rightToLeft.change(to: conditions.rightToLeft, at: now)
        case nil: break
        }
      }
      // Before what has just come in: those have waited longest.
      Self.write(right, from: &leftToRight)
      Self.write(left, from: &rightToLeft)
      if descriptors[0].revents != 0 { Self.read(left, into: &leftToRight) }
      if descriptors[1].revents != 0 { Self.read(right, into: &rightToLeft) }
      publish(Self.now())
    }
  }

  private func wait(_ descriptors: UnsafeMutablePointer<pollfd>) {
    let next = min(leftToRight.nextArrival ?? .distantFuture, rightToLeft.nextArrival ?? .distantFuture)
    var timeout: Int64 = -1
    if next < .distantFuture { timeout = max(next.nanoseconds - Self.now().nanoseconds, 0) }
    if plexus_poll(descriptors, 3, timeout) <= 0 {
      for index in 0..<3 { descriptors[index].revents = 0 }
    }
    // A device that somebody deleted stays readable for ever; poll(2) passes over negative descriptors.
    for index in 0..<2 where descriptors[index].revents & ~Int16(POLLIN) != 0 { descriptors[index].fd = -1 }
  }

  private static func read(_ tun: Int32, into queue: inout PathQueue) {
    for _ in 0..<batch {
      // The clock is read for each, because all before it took time.
      guard queue.accept(at: now(), { LibC.read(tun, $0.baseAddress, $0.count) }) else { return }
    }
  }

  private static func write(_ tun: Int32, from queue: inout PathQueue) {
    for _ in 0..<batch {
      guard queue.deliver(at: now(), { LibC.write(tun, $0.baseAddress, $0.count) == $0.count }) else { return }
    }
  }

  private mutating func publish(_ now: Instant) {
    if now.nanoseconds >= processorTimeRead &+ Self.processorTimeInterval || processorTimeRead == .min {
      processorTimeRead = now.nanoseconds
      processorTime = Self.nanoseconds(CLOCK_THREAD_CPUTIME_ID)
    }
    control.publish(leftToRight.counters, rightToLeft.counters, processorTime: processorTime)
  }

  private static func now() -> Instant { Instant(nanoseconds: nanoseconds(CLOCK_MONOTONIC)) }

  private static func nanoseconds(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}
