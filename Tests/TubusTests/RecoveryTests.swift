import Datagrams
import PlexusTesting
import Testing

@testable import Tubus

/// The parts that find losses, measure and pace.
@Suite struct RecoveryTests {
  private static func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

  private static func rtt(_ milliseconds: Int64) -> RTTEstimator {
    var rtt = RTTEstimator()
    rtt.add(milliseconds * 1_000_000)
    return rtt
  }

  /// Ten moves of 100 bytes, a millisecond apart.
  private static func flight() -> FlightLog {
    var log = FlightLog()
    for index in 0..<10 {
      log.sent(offset: UInt64(index * 100), length: 100, snapshot: SendSnapshot(), now: at(Int64(index)))
    }
    return log
  }

  private func isArrival(_ acknowledgement: FlightLog.Acknowledgement) -> Bool {
    if case .arrived(_, isLatest: true) = acknowledgement { true } else { false }
  }

  // MARK: FlightLog

  @Test func threeLaterMovesMakeOneLost() {
    var log = Self.flight()
    for offset in [100, 200] as [UInt64] { _ = log.acknowledge(offset, now: Self.at(20), minimumRTT: 1) }
    #expect(log.detectLosses(now: Self.at(20), rtt: Self.rtt(20)).isEmpty && log.lossDeadline != nil)
    _ = log.acknowledge(300, now: Self.at(20), minimumRTT: 1)
    #expect(log.detectLosses(now: Self.at(20), rtt: Self.rtt(20)).map(\.offset) == [0])
    #expect(log.nextLost()?.offset == 0 && log.bytesInFlight == 600 && log.firstUnacknowledged == 0)
    log.resent(log.nextLost()?.index ?? -1, snapshot: SendSnapshot(), now: Self.at(21))
    #expect(log.nextLost() == nil && log.bytesInFlight == 700)
    // What was sent again is younger than all others.
    for offset in stride(from: 400 as UInt64, to: 1000, by: 100) {
      _ = log.acknowledge(offset, now: Self.at(22), minimumRTT: 1)
    }
    #expect(log.detectLosses(now: Self.at(22), rtt: Self.rtt(20)).isEmpty)
    #expect(isArrival(log.acknowledge(0, now: Self.at(45), minimumRTT: 20_000_000)))
    #expect(log.isEmpty && log.bytesInFlight == 0 && log.spuriousRetransmissions == 0)
  }

  @Test func anEighthOfARoundTripMoreMakesOneLost() {
    var log = Self.flight()
    _ = log.acknowledge(100, now: Self.at(21), minimumRTT: 1)
    #expect(log.detectLosses(now: Self.at(21), rtt: Self.rtt(24)).isEmpty)
    #expect(log.lossDeadline == Self.at(27))
    #expect(log.detectLosses(now: Self.at(26), rtt: Self.rtt(24)).isEmpty)
    #expect(log.detectLosses(now: Self.at(27), rtt: Self.rtt(24)).map(\.offset) == [0])
    // What is younger than the newest echo is not judged.
    #expect(log.lossDeadline == nil && log.bytesInFlight == 800)
  }

  @Test func aLossInErrorMakesItTolerant() {
    var log = Self.flight()
    for offset in [100, 200, 300] as [UInt64] { _ = log.acknowledge(offset, now: Self.at(20), minimumRTT: 1) }
    #expect(log.detectLosses(now: Self.at(20), rtt: Self.rtt(20)).count == 1)
    guard case .notLost = log.acknowledge(0, now: Self.at(21), minimumRTT: 1) else {
      Issue.record("it was not found out")
      return
    }
    #expect(log.packetThreshold == 6 && log.timeThreshold == 2 && log.nextLost() == nil)
    #expect(log.firstUnacknowledged == 400)
  }

  @Test func anEchoTooSoonIsThatOfTheFirstTransmission() {
    var log = Self.flight()
    for offset in [100, 200, 300] as [UInt64] { _ = log.acknowledge(offset, now: Self.at(20), minimumRTT: 1) }
    _ = log.detectLosses(now: Self.at(20), rtt: Self.rtt(20))
    log.resent(log.nextLost()?.index ?? -1, snapshot: SendSnapshot(), now: Self.at(20))
    guard case .arrived(_, isLatest: false) = log.acknowledge(0, now: Self.at(25), minimumRTT: 20_000_000) else {
      Issue.record("it was taken for the echo of the second transmission")
      return
    }
    #expect(log.spuriousRetransmissions == 1 && log.packetThreshold == 6)
    // And says nothing of what was sent between the two.
    #expect(log.detectLosses(now: Self.at(25), rtt: Self.rtt(20)).isEmpty)
  }

  @Test func tolerationEnds() {
    var log = FlightLog()
    for round in 0..<40 as Range<UInt64> {
      for index in 0..<600 as Range<UInt64> {
        log.sent(offset: round * 600 + index, length: 1, snapshot: SendSnapshot(), now: .zero)
      }
      for index in (1..<600 as Range<UInt64>).reversed() {
        _ = log.acknowledge(round * 600 + index, now: .zero, minimumRTT: 1)
      }
      #expect(!log.detectLosses(now: .zero, rtt: Self.rtt(20)).isEmpty)
      _ = log.acknowledge(round * 600, now: .zero, minimumRTT: 1)
    }
    #expect(log.packetThreshold == 256 && log.timeThreshold == 8 && log.isEmpty && log.bytesInFlight == 0)
  }

  @Test func theLogAgreesWithASimpleModel() async {
    for seed in TestSeeds.schedules(40) {
      await Task.yield()
      var random = SeededGenerator(seed: seed)
      var (log, open) = (FlightLog(), [UInt64: Int]())
      var (next, now) = (0 as UInt64, Instant.zero)
      for _ in 0..<400 {
        now = now.advanced(by: random.duration(upTo: .milliseconds(3)))
        switch random.next() % 4 {
        case 0:
          let length = 1 + Int(random.next() % 1400)
          log.sent(offset: next, length: length, snapshot: SendSnapshot(), now: now)
          open[next] = length
          next += UInt64(length)
        case 1, 2:
          let offset = open.keys.sorted().randomElement(using: &random) ?? 5
          _ = log.acknowledge(random.chance(0.1) ? offset + 1_000_000 : offset, now: now, minimumRTT: 1)
          if log.acknowledges(offset) { open[offset] = nil }
        default:
          _ = log.detectLosses(now: now, rtt: Self.rtt(2))
          if let lost = log.nextLost() {
            #expect(open[lost.offset] == lost.length, "PLEXUS_SEED=\(seed)")
            if random.chance(0.7) { log.resent(lost.index, snapshot: SendSnapshot(), now: now) }
          }
        }
        #expect(log.bytesInFlight <= open.values.reduce(0, +) && log.bytesInFlight >= 0, "PLEXUS_SEED=\(seed)")
      }
      for offset in open.keys.sorted() { _ = log.acknowledge(offset, now: now, minimumRTT: 1) }
      #expect(log.isEmpty && log.bytesInFlight == 0 && log.nextLost() == nil, "PLEXUS_SEED=\(seed)")
    }
  }

  // MARK: Probes

  @Test func theLastMoveIsProbedForWithBackOff() {
    let wire = Wire(CoreEnd(.connector), CoreEnd(.acceptor))
    wire.run(for: .seconds(1))
    var times: [Instant] = []
    wire.passes = { direction, datagram, now in
      let isMove = sections(datagram).contains { if case .move = $0 { true } else { false } }
      if direction == .toRight, isMove { times.append(now) }
      return !isMove
    }
    wire.left.write(100)
    wire.run(for: .seconds(20))
    let gaps = zip(times, times.dropFirst()).map { $0.duration(to: $1) }.filter { $0 > .zero }
    // A round trip is 20 ms here, known by a few samples.
    #expect(gaps.first.map { $0 > .milliseconds(20) && $0 < .milliseconds(100) } == true, "\(gaps)")
    #expect(zip(gaps, gaps.dropFirst()).allSatisfy { $1 >= $0 } && gaps.allSatisfy { $0 <= .seconds(2) })
    #expect(gaps.last.map { $0 > .milliseconds(1900) } == true)
  }

  // MARK: RTTEstimator

  @Test func theRoundTripIsSmoothedAsInRFC6298() {
    var rtt = RTTEstimator()
    #expect(!rtt.isKnown && rtt.probeTimeout > RTTEstimator.initial)
    rtt.add(100_000_000)
    #expect(rtt.smoothed == 100_000_000 && rtt.variation == 50_000_000 && rtt.minimum == 100_000_000)
    rtt.add(180_000_000)
    #expect(rtt.smoothed == 110_000_000 && rtt.variation == 57_500_000 && rtt.latest == 180_000_000)
    for _ in 0..<200 { rtt.add(60_000_000) }
    #expect(abs(rtt.smoothed - 60_000_000) < 1000 && rtt.variation < 1000 && rtt.minimum == 60_000_000)
    // Never below the granularity of timers, and what an echo may be kept back.
    #expect(rtt.probeTimeout >= 62_000_000)
    for sample in [0, -5, Int64.min] { rtt.add(sample) }
    #expect(rtt.minimum == 1 && rtt.smoothed > 0)
  }

  // MARK: Pacer

  @Test(arguments: [10e3, 1e6, 100e6, 1e9]) func thePacerKeepsTheRate(rate: Double) {
    var (pacer, now, sent) = (Pacer(now: .zero, datagramSize: 1406), Instant.zero, 0)
    let limit = max(2 * 1406, rate / 1000, 10 * 1406) + 1406
    let end = Instant.zero.advanced(by: .milliseconds(Int(max(200, 100_000_000 / rate))))
    var wakes = 0
    while now < end {
      pacer.fill(now: now, rate: rate, datagramSize: 1406)
      while pacer.isOpen {
        pacer.spend(1406)
        sent += 1406
      }
      let allowed = rate * Double(now.nanoseconds) / 1e9 + limit
      #expect(Double(sent) <= allowed)
      let next = pacer.opens(rate: rate)
      #expect(next > now)
      now = max(next, now.adding(1))
      wakes += 1
    }
    let ideal = rate * Double(end.nanoseconds) / 1e9
    #expect(Double(sent) > 0.9 * ideal)
    // Two thousand wake-ups a second at most, or two a datagram.
    #expect(Double(wakes) < 2.2 * max(1000 * Double(end.nanoseconds) / 1e9, Double(sent) / 1406) + 4)
  }

  @Test(arguments: [2, 5, 15]) func lateWakeUpsCostNoRate(milliseconds: Int) {
    let rate = 10e6
    var (pacer, now, sent) = (Pacer(now: .zero, datagramSize: 1406), Instant.zero, 0)
    while now < Instant.zero.advanced(by: .seconds(1)) {
      pacer.fill(now: now, rate: rate, datagramSize: 1406, isAwaited: true)
      while pacer.isOpen {
        pacer.spend(1406)
        sent += 1406
      }
      #expect(Double(sent) <= rate * Double(now.nanoseconds) / 1e9 + 14060 + 1406)
      now = pacer.opens(rate: rate).advanced(by: .milliseconds(milliseconds))
    }
    #expect(Double(sent) > 0.95 * rate)
  }

  @Test func idleTimeIsNotMadeUpFor() {
    var pacer = Pacer(now: .zero, datagramSize: 1406)
    pacer.fill(now: .zero.advanced(by: .seconds(1)), rate: 10e6, datagramSize: 1406)
    var sent = 0
    while pacer.isOpen {
      pacer.spend(1406)
      sent += 1406
    }
    #expect(sent <= 14060 + 1406)
    pacer.fill(now: .zero.advanced(by: .seconds(2)), rate: 10e6, datagramSize: 1406, isAwaited: true)
    pacer.rest()
    sent = 0
    while pacer.isOpen {
      pacer.spend(1406)
      sent += 1406
    }
    #expect(sent <= 10_000 + 1406)
  }

  // MARK: DeliveryRate

  @Test func theDeliveryRateIsThatOfTheBottleneck() {
    var delivery = DeliveryRate(now: .zero)
    var snapshots: [SendSnapshot] = []
    // A burst of twenty leaves at once; a bottleneck lets one through each 2 ms, after 50 ms.
    for index in 0..<20 { snapshots.append(delivery.snapshot(now: .zero, inFlight: index * 1000)) }
    var rates: [Double] = []
    for (index, snapshot) in snapshots.enumerated() {
      let now = Self.at(50 + 2 * Int64(index))
      delivery.acknowledge(1000, snapshot: snapshot, sentAt: .zero, order: UInt64(index + 1), now: now)
      rates += [delivery.takeSample(minimumRTT: 50_000_000)?.rate ?? -1]
    }
    // Over the whole round: 20,000 bytes in 88 ms; the bottleneck's 500,000 bytes a second are never exceeded.
    #expect(rates.allSatisfy { $0 >= 0 && $0 <= 500_000 } && rates == rates.sorted())
    #expect(delivery.takeSample(minimumRTT: 50_000_000) == nil && delivery.delivered == 20_000)
  }

  @Test func bunchedEchoesAreNoRate() {
    var delivery = DeliveryRate(now: .zero)
    let first = delivery.snapshot(now: .zero, inFlight: 0)
    delivery.acknowledge(1000, snapshot: first, sentAt: .zero, order: 1, now: Self.at(50))
    _ = delivery.takeSample(minimumRTT: 50_000_000)
    let second = delivery.snapshot(now: Self.at(50), inFlight: 0)
    delivery.acknowledge(1000, snapshot: second, sentAt: Self.at(50), order: 2, now: Self.at(51))
    #expect(delivery.takeSample(minimumRTT: 50_000_000)?.rate == 0)
  }

  @Test func idleTimeIsTold() {
    var delivery = DeliveryRate(now: .zero)
    let snapshot = delivery.snapshot(now: .zero, inFlight: 0)
    #expect(!snapshot.isAppLimited)
    delivery.markAppLimited(inFlight: 1000)
    let limited = delivery.snapshot(now: Self.at(1), inFlight: 1000)
    #expect(limited.isAppLimited)
    delivery.acknowledge(1000, snapshot: snapshot, sentAt: .zero, order: 1, now: Self.at(50))
    _ = delivery.takeSample(minimumRTT: 1)
    delivery.acknowledge(1000, snapshot: limited, sentAt: Self.at(1), order: 2, now: Self.at(51))
    #expect(delivery.takeSample(minimumRTT: 1)?.isAppLimited == true)
    #expect(!delivery.isAppLimited)
  }

  // MARK: EchoQueue

  @Test func aSingleMoveIsEchoedAtOnceAndDenseOnesTogether() {
    var queue = EchoQueue()
    queue.add(0, now: Self.at(10), roundTrip: 80_000_000, isUrgent: false)
    #expect(queue.deadline == Self.at(10))
    #expect(queue.next() == 0 && queue.next() == nil)
    queue.sent([0])
    #expect(queue.deadline == nil)
    let dense = Self.at(10).adding(500_000)
    queue.add(100, now: dense, roundTrip: 80_000_000, isUrgent: false)
    #expect(queue.deadline == dense.adding(RTTEstimator.maximumEchoDelay))
    queue.add(200, now: dense, roundTrip: 80_000_000, isUrgent: true)
    #expect(queue.deadline == dense)
    #expect(queue.next() == 100 && queue.next() == 200)
    // Each is said twice, where there is room.
    #expect(queue.nextRepeat() == 0 && queue.nextRepeat() == nil)
    queue.sent([100, 200])
    #expect(queue.nextRepeat() == 100)
  }

  @Test func aShortRoundTripIsNotKeptWaiting() {
    var queue = EchoQueue()
    queue.add(0, now: .zero, roundTrip: 200_000, isUrgent: false)
    _ = queue.next()
    queue.sent([0])
    queue.add(1, now: Instant(nanoseconds: 1000), roundTrip: 200_000, isUrgent: false)
    #expect(queue.deadline == Instant(nanoseconds: 26_000))
    for offset in 2..<50 as Range<UInt64> {
      queue.add(offset, now: Instant(nanoseconds: 2000), roundTrip: 200_000, isUrgent: false)
    }
    #expect(queue.deadline == Instant(nanoseconds: 2000))
  }

  // MARK: ReceiveWindow

  @Test func theWindowGrowsWhereTheReaderIsFast() {
    var window = ReceiveWindow(initial: 1000, maximum: 8000)
    for round in 0..<100 { window.consume(600, now: Self.at(Int64(round) * 10), roundTrip: 10_000_000) }
    #expect(window.size == 1000 * 2 || window.size == 8000)
    var slow = ReceiveWindow(initial: 1000, maximum: 8000)
    for round in 0..<100 { slow.consume(400, now: Self.at(Int64(round) * 10), roundTrip: 10_000_000) }
    #expect(slow.size == 1000)
  }

  @Test func edgesGrowByEighthsOrWhenIdle() {
    var window = ReceiveWindow(initial: 8000, maximum: 8000)
    #expect(window.granted == 8000 && window.isUnechoed)
    window.echo(9000)
    #expect(window.isUnechoed)
    window.echo(8000)
    #expect(!window.isUnechoed && !window.grant(isIdle: true))
    window.consume(999, now: .zero, roundTrip: 1)
    #expect(!window.grant(isIdle: false) && window.grant(isIdle: true) && window.granted == 8999)
    window.consume(1000, now: .zero, roundTrip: 1)
    #expect(window.grant(isIdle: false) && window.granted == 9999 && window.isUnechoed)
  }
}

extension FlightLog {
  /// Whether nothing is under way at `offset`, which leaves the log as it is.
  fileprivate func acknowledges(_ offset: UInt64) -> Bool {
    var copy = self
    if case .nothing = copy.acknowledge(offset, now: .zero, minimumRTT: 1) { return true }
    return false
  }
}
