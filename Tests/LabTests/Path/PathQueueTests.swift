import Datagrams
import Testing

@testable import PlexusTesting

/// The path's core in virtual time.
@Suite struct PathQueueTests {
  @Test func withoutConditionsPacketsArriveAtOnce() {
    var link = LinkUnderTest(LinkConditions())
    link.send([1, 2, 3], at: .zero)
    #expect(
      link.arrivals(until: .zero) == [
        Arrival(number: 1, at: .zero), .init(number: 2, at: .zero), .init(number: 3, at: .zero),
      ])
    #expect(link.queue.nextArrival == nil)
  }

  @Test func packetsArriveAfterTheDelayAndNotBefore() {
    var link = LinkUnderTest(LinkConditions(delay: .milliseconds(20)))
    link.send([1], at: .zero)
    #expect(link.queue.nextArrival == at(20))
    #expect(link.arrivals(until: Instant(nanoseconds: 19_999_999)) == [])
    #expect(link.arrivals(until: at(20)) == [Arrival(number: 1, at: at(20))])
  }

  @Test func theRateSpacesPacketsOut() {
    // 1000 bytes at 8 Mbit/s take one millisecond.
    var link = LinkUnderTest(LinkConditions(rate: 8_000_000, delay: .milliseconds(10)))
    link.send([1, 2, 3], size: 1000, at: .zero)
    #expect(link.arrivals(until: at(100)).map(\.at) == [at(11), at(12), at(13)])
    // The link was idle meanwhile: the next packet waits for nothing, and no unused time is saved up.
    link.send([4, 5], size: 1000, at: at(100))
    #expect(link.arrivals(until: at(200)).map(\.at) == [at(111), at(112)])
  }

  @Test func aFullQueueDropsTheNewestPackets() {
    var link = LinkUnderTest(LinkConditions(rate: 8_000_000, buffer: 3000))
    link.send(Array(1...5), size: 1000, at: .zero)
    #expect(link.queue.counters.droppedByQueue == 2)
    #expect(link.queue.counters.largestQueue == 3000)
    #expect(link.arrivals(until: at(1)).map(\.number) == [1])
    // One has left, so one more fits.
    link.send([6, 7], size: 1000, at: at(1))
    #expect(link.queue.counters.droppedByQueue == 3)
    #expect(link.arrivals(until: at(100)).map(\.number) == [2, 3, 6])
  }

  @Test func anIdleLinkTakesAPacketLargerThanTheBuffer() {
    var link = LinkUnderTest(LinkConditions(rate: 8_000_000, buffer: 1))
    link.send([1, 2], size: 1000, at: .zero)
    #expect(link.arrivals(until: at(100)).map(\.number) == [1])
  }

  @Test func packetsOnTheirWayTakeNoRoomInTheQueue() {
    var link = LinkUnderTest(LinkConditions(rate: 8_000_000, delay: .seconds(1), buffer: 1000))
    for millisecond in 0..<50 { link.send([millisecond], size: 1000, at: at(Int64(millisecond))) }
    #expect(link.queue.counters.droppedByQueue == 0)
    #expect(link.arrivals(until: at(2000)).count == 50)
  }

  @Test func lossIsAsAskedForAndRepeatsItself() throws {
    let seed = TestSeeds.replayed ?? .random(in: 0...UInt64.max)
    print("lossIsAsAskedForAndRepeatsItself: PLEXUS_SEED=\(seed)")
    let runs = (0..<2).map { _ in
      var link = LinkUnderTest(LinkConditions(loss: 0.1), seed: seed)
      return (0..<10_000).map { round -> Bool in
        link.send([1], at: at(Int64(round)))
        return link.arrivals(until: at(Int64(round))).isEmpty
      }
    }
    #expect(runs[0] == runs[1])
    // Six standard deviations of 30: wrong once in 10^9 runs.
    #expect((820...1180).contains(runs[0].count { $0 }))
  }

  @Test func aLostPacketTakesItsTimeOnTheLink() {
    var link = LinkUnderTest(LinkConditions(rate: 8_000_000, loss: 1))
    link.send([1], size: 1000, at: .zero)
    link.change(to: LinkConditions(rate: 8_000_000), at: at(1))
    link.send([2, 3], size: 1000, at: at(1))
    #expect(link.arrivals(until: at(100)) == [Arrival(number: 2, at: at(2)), Arrival(number: 3, at: at(3))])
    #expect(link.queue.counters.droppedByLoss == 1)
  }

  @Test func aBlackHoleLosesWhatLeavesTheQueueMeanwhile() {
    let open = LinkConditions(delay: .milliseconds(10))
    var closed = open
    closed.isBlackhole = true
    var link = LinkUnderTest(open)
    link.send([1], at: .zero)
    link.change(to: closed, at: at(1))
    link.send([2, 3], at: at(2))
    link.change(to: open, at: at(3))
    link.send([4], at: at(4))
    #expect(link.arrivals(until: at(100)).map(\.number) == [1, 4])
    #expect(link.queue.counters.droppedByBlackhole == 2)
  }

  @Test func aChangedRateHoldsForTheRestOfAPacketToo() {
    var link = LinkUnderTest(LinkConditions(rate: 8_000_000))
    link.send([1, 2], size: 1000, at: .zero)
    // Half of the first packet has left by then; a tenth of the rate makes the other half last five milliseconds.
    link.change(to: LinkConditions(rate: 800_000), at: Instant(nanoseconds: 500_000))
    #expect(link.arrivals(until: at(100)).map(\.at.nanoseconds) == [5_500_000, 15_500_000])
  }

  @Test func withoutARateTheQueueEmptiesAtOnce() {
    var link = LinkUnderTest(LinkConditions(rate: 8000))
    link.send([1, 2, 3], size: 1000, at: .zero)
    link.change(to: LinkConditions(), at: at(1))
    #expect(link.arrivals(until: at(1)).map(\.number) == [1, 2, 3])
  }

  @Test func nothingOvertakesAfterTheDelayWasShortened() {
    var link = LinkUnderTest(LinkConditions(delay: .milliseconds(100)))
    link.send([1], at: .zero)
    link.change(to: LinkConditions(delay: .milliseconds(1)), at: at(1))
    link.send([2], at: at(2))
    #expect(link.queue.nextArrival == at(100))
    #expect(link.arrivals(until: at(200)).map(\.number) == [1, 2])
    link.send([3], at: at(300))
    #expect(link.arrivals(until: at(400)) == [Arrival(number: 3, at: at(301))])
  }

  @Test func moreThanItsMemoryHoldsIsCountedAsItsOwnDrop() {
    var link = LinkUnderTest(LinkConditions(delay: .milliseconds(10)), capacity: 4)
    link.send(Array(1...6), at: .zero)
    #expect(link.queue.counters.droppedByEmulator == 2)
    #expect(link.arrivals(until: at(10)).map(\.number) == [1, 2, 3, 4])
    link.send([7], at: at(20))
    #expect(link.arrivals(until: at(30)).map(\.number) == [7])
  }

  @Test func latenessIsCounted() {
    var link = LinkUnderTest(LinkConditions(delay: .milliseconds(10)))
    link.send([1], at: .zero)
    _ = link.queue.deliver(at: at(13)) { _ in true }
    #expect(LinkCounters(link.queue.counters).greatestLateness == .milliseconds(3))
    #expect(LinkCounters(link.queue.counters).meanLateness == .milliseconds(3))
  }

  /// Random traffic under changing conditions: nothing is invented, doubled, reordered, early or forgotten.
  @Test(arguments: TestSeeds.schedules(50)) func everyPacketIsAccountedFor(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var link = LinkUnderTest(LinkConditions(delay: .milliseconds(5)), seed: seed, capacity: 64)
    var sent = 0
    var received: [Arrival] = []
    var now = Instant.zero
    for _ in 0..<500 {
      now = now.advanced(by: random.duration(upTo: .milliseconds(3)))
      received += link.arrivals(until: now)
      if random.chance(0.02) {
        link.change(
          to: LinkConditions(
            rate: random.chance(0.3) ? nil : .random(in: 100_000...100_000_000, using: &random),
            delay: random.duration(upTo: .milliseconds(20)), loss: random.chance(0.5) ? 0 : 0.2,
            buffer: .random(in: 1...20_000, using: &random), isBlackhole: random.chance(0.1)), at: now)
      }
      for _ in 0..<Int.random(in: 0...3, using: &random) {
        sent += 1
        link.send([sent], size: .random(in: 20...1500, using: &random), at: now)
      }
    }
    link.change(to: LinkConditions(), at: now)
    received += link.arrivals(until: now.advanced(by: .seconds(1)))
    let counters = link.queue.counters
    #expect(link.queue.nextArrival == nil && counters.packets == received.count)
    #expect(
      sent
        == counters.packets + counters.droppedByQueue + counters.droppedByLoss + counters.droppedByBlackhole
        + counters.droppedByEmulator)
    #expect(zip(received, received.dropFirst()).allSatisfy { $0.at <= $1.at })
    #expect(zip(received, received.dropFirst()).allSatisfy { $0.number < $1.number })
  }

  private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }
}

private struct Arrival: Hashable {
  let number: Int
  let at: Instant
}

/// A queue whose packets are numbers, each in the first eight bytes.
private struct LinkUnderTest: ~Copyable {
  var queue: PathQueue

  init(_ conditions: LinkConditions, seed: UInt64 = 1, capacity: Int = 1024) {
    queue = PathQueue(conditions, seed: seed, capacity: capacity)
  }

  mutating func change(to conditions: LinkConditions, at now: Instant) { queue.change(to: conditions, at: now) }

  mutating func send(_ numbers: [Int], size: Int = 100, at now: Instant) {
    for number in numbers {
      let wasThere = queue.accept(at: now) { room in
        room.storeBytes(of: number, as: Int.self)
        room[size - 1] = UInt8(truncatingIfNeeded: number)
        return size
      }
      #expect(wasThere)
    }
    let another = queue.accept(at: now) { _ in -1 }
    #expect(!another)
  }

  /// Steps from arrival to arrival, as the driver does.
  mutating func arrivals(until end: Instant) -> [Arrival] {
    var arrivals: [Arrival] = []
    while let next = queue.nextArrival, next <= end {
      _ = queue.deliver(at: next) { packet in
        let number = packet.load(as: Int.self)
        #expect(packet.last == UInt8(truncatingIfNeeded: number))
        arrivals.append(Arrival(number: number, at: next))
        return true
      }
    }
    return arrivals
  }
}
