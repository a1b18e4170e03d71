import Datagrams
import PlexusTesting
import Testing

@testable import Tubus

/// Congestion control over simulated bottlenecks. Datagrams are large where the rate is high, or a debug build would take minutes: all is
/// counted in datagrams or in bytes of the path's product.
@Suite struct CongestionTests {
  /// A path of jumbo frames.
  private static func configuration(_ control: CongestionControl = .bbr, datagram: Int = 8972) -> TubusConfiguration {
    var configuration = TubusConfiguration()
    configuration.congestionControl = control
    configuration.maximumDatagramSize = datagram
    return configuration
  }

  private static func simulation(
    rate: Double, delay: Duration, buffer: Int, loss: Double = 0, mtu: Int = 8972, seed: UInt64 = 1
  ) -> SimulatedTubus {
    var conditions = SimulatedLinkConditions(rate: rate, delay: delay, loss: loss)
    conditions.buffer = buffer
    conditions.mtu = mtu
    var back = conditions
    back.loss = 0
    let simulation = SimulatedTubus(
      forward: conditions, backward: back, acceptorConfiguration: configuration(datagram: mtu), seed: seed)
    simulation.verifies = false
    return simulation
  }

  private func bbr(_ simulation: SimulatedTubus, _ flow: Int = 0) -> BBR? {
    simulation.left[flow].connection?.congestion as? BBR
  }

  private func rate(_ simulation: SimulatedTubus, _ flow: Int = 0, over time: Duration) -> Double {
    let before = simulation.right[flow].received
    _ = simulation.run(for: time)
    return Double(simulation.right[flow].received - before) * 8e9 / Double(time.nanoseconds)
  }

  // MARK: BBR

  /// Start-up, drain, and the cycle of probing, in that order; each phase of the cycle comes.
  @Test func statesFollowEachOther() {
    let simulation = Self.simulation(rate: 50e6, delay: .milliseconds(20), buffer: 1_000_000)
    simulation.connect(Self.configuration(), writing: .max)
    var states: [BBR.State] = []
    _ = simulation.run(for: .seconds(6)) { simulation in
      if let state = bbr(simulation)?.state, state != states.last { states.append(state) }
      return false
    }
    #expect(states.prefix(2) == [.startup, .drain])
    for phase in [BBR.Phase.cruise, .refill, .up, .down] { #expect(states.contains(.probeBandwidth(phase))) }
    #expect(!states.dropFirst().contains(.startup))
    for (state, next) in zip(states, states.dropFirst()) {
      switch state {
      case .startup: #expect(next == .drain)
      // "Down" may last no longer than one batch of echoes, where nothing is left of the queue.
      case .drain: #expect(next == .probeBandwidth(.down) || next == .probeBandwidth(.cruise))
      case .probeBandwidth(.refill): #expect(next == .probeBandwidth(.up) || next == .probeRTT)
      case .probeBandwidth(.up): #expect(next == .probeBandwidth(.down) || next == .probeRTT)
      case .probeBandwidth, .probeRTT: break
      }
    }
  }

  @Test func aCleanPathLosesNothingAfterStartUp() throws {
    // One product of rate and round trip: 50 Mbit/s for 40 ms.
    let simulation = Self.simulation(rate: 50e6, delay: .milliseconds(20), buffer: 250_000)
    simulation.connect(Self.configuration(), writing: .max)
    _ = simulation.run(for: .seconds(3))
    let lost = simulation.forward.overflows
    let rate = rate(simulation, over: .seconds(5))
    #expect(simulation.forward.overflows == lost)
    #expect(rate > 0.85 * 50e6)
    // And the queue is short most of the time.
    let statistics = try #require(simulation.left[0].connection?.statistics)
    #expect(statistics.roundTrip < 70_000_000 && statistics.minimumRoundTrip < 45_000_000)
  }

  @Test(arguments: [Duration.milliseconds(20), .milliseconds(50)])
  func onePercentOfLossCostsLittle(delay: Duration) {
    let simulation = Self.simulation(rate: 100e6, delay: delay, buffer: 1_000_000, loss: 0.01)
    simulation.connect(Self.configuration(), writing: .max)
    _ = simulation.run(for: .seconds(2))
    #expect(rate(simulation, over: .seconds(4)) > 80e6)
  }

  @Test func lossesBeyondAllMeasureAreCongestion() throws {
    // A buffer of a tenth of the product, and nothing else is wrong: the rate stays, the losses end.
    let simulation = Self.simulation(rate: 50e6, delay: .milliseconds(20), buffer: 25_000)
    simulation.connect(Self.configuration(), writing: .max)
    _ = simulation.run(for: .seconds(4))
    let before = try #require(simulation.left[0].connection?.statistics)
    let rate = rate(simulation, over: .seconds(6))
    let after = try #require(simulation.left[0].connection?.statistics)
    let sent = Double(after.bytesDelivered - before.bytesDelivered) / 8932
    #expect(rate > 0.6 * 50e6)
    #expect(Double(after.movesLost - before.movesLost) < 0.05 * sent)
  }

  @Test(arguments: [CongestionControl.bbr, .cubic]) func twoFlowsShare(control: CongestionControl) {
    let simulation = Self.simulation(rate: 20e6, delay: .milliseconds(15), buffer: 150_000, mtu: 4000)
    simulation.connect(Self.configuration(control, datagram: 4000), writing: .max)
    _ = simulation.run(for: .seconds(2))
    simulation.connect(Self.configuration(control, datagram: 4000), writing: .max)
    _ = simulation.run(for: .seconds(6))
    let before = simulation.right.map(\.received)
    _ = simulation.run(for: .seconds(8))
    let rates = zip(simulation.right.map(\.received), before).map { Double($0 - $1) * 8 / 8 }
    #expect(rates[0] + rates[1] > 0.85 * 20e6, "\(rates)")
    #expect(rates[0] < 2 * rates[1] && rates[1] < 2 * rates[0], "\(rates)")
  }

  @Test func aPathThatSlowsDownIsFollowed() throws {
    let simulation = Self.simulation(rate: 50e6, delay: .milliseconds(20), buffer: 500_000)
    simulation.connect(Self.configuration(), writing: .max)
    _ = simulation.run(for: .seconds(2))
    simulation.forward.conditions.rate = 10e6
    _ = simulation.run(for: .seconds(10))
    #expect(rate(simulation, over: .seconds(5)) > 0.7 * 10e6)
    let statistics = try #require(simulation.left[0].connection?.statistics)
    #expect(statistics.pacingRate * 8 < 1.5 * 10e6)
    simulation.forward.conditions.rate = 50e6
    _ = simulation.run(for: .seconds(12))
    #expect(rate(simulation, over: .seconds(3)) > 0.7 * 50e6)
  }

  @Test func persistentCongestionLeavesFourDatagrams() {
    var bbr = BBR(datagramSize: 1406, now: .zero, seed: 1)
    #expect(bbr.window == 10 * 1406)
    bbr.onPersistentCongestion()
    #expect(bbr.window == 4 * 1406)
  }

  // MARK: CUBIC

  @Test func cubicTakesSevenTenthsForALoss() {
    var cubic = Cubic(datagramSize: 1000)
    let initial = cubic.window
    var delivered: UInt64 = 0
    func ack(_ at: Int64) -> AckEvent {
      delivered += 1000
      return AckEvent(
        now: Instant(nanoseconds: at * 1_000_000), acknowledged: 1000, priorInFlight: cubic.window,
        inFlight: cubic.window, roundTrip: 20_000_000, smoothedRoundTrip: 20_000_000, delivered: delivered,
        sample: RateSample(delivered: 1000, priorDelivered: delivered - 1000, inFlightAtSend: cubic.window))
    }
    for _ in 0..<10 { cubic.onAck(ack(20)) }
    #expect(cubic.window == 2 * initial)
    func loss(sentAt: UInt64) -> LossEvent {
      LossEvent(
        now: Instant(nanoseconds: 40_000_000), bytes: 1000, inFlightAtSend: cubic.window, lostSinceSent: 1000,
        deliveredAtSend: sentAt, delivered: delivered, isAppLimited: false)
    }
    cubic.onLoss(loss(sentAt: delivered))
    #expect(cubic.window == initial * 2 * 7 / 10)
    // Others of the same flight are the same loss.
    cubic.onLoss(loss(sentAt: delivered - 1000))
    #expect(cubic.window == initial * 2 * 7 / 10)
    // It comes back to where it was, and beyond.
    for round in 0..<400 as Range<Int64> {
      for _ in 0..<max(cubic.window / 1000, 1) { cubic.onAck(ack(60 + 20 * round)) }
    }
    #expect(cubic.window > 2 * initial)
    cubic.onPersistentCongestion()
    #expect(cubic.window == 2000)
  }

  // MARK: The receiver's window

  /// 7.5 MB are under way on such a path: the 5 MiB of the beginning would hold it at 210 Mbit/s.
  @Test func theReceiveWindowGrowsWithThePath() throws {
    let simulation = Self.simulation(rate: 300e6, delay: .milliseconds(100), buffer: 8_000_000, mtu: 60_000)
    simulation.connect(Self.configuration(datagram: 60_000), writing: .max)
    _ = simulation.run(for: .seconds(5))
    let rate = rate(simulation, over: .seconds(3))
    let acceptor = try #require(simulation.right[0].connection)
    #expect(acceptor.receiveWindow.size > 8 << 20 && acceptor.receiveWindow.size <= 64 << 20)
    #expect(rate > 0.85 * 300e6)
  }

  @Test func aSlowReaderKeepsTheWindowSmall() throws {
    let simulation = Self.simulation(rate: 300e6, delay: .milliseconds(100), buffer: 8_000_000, mtu: 60_000)
    simulation.connect(Self.configuration(datagram: 60_000), writing: .max)
    _ = simulation.run(for: .seconds(1)) { !$0.right.isEmpty && $0.right[0].wasLinked }
    simulation.right[0].isReading = false
    _ = simulation.run(for: .seconds(10))
    let acceptor = try #require(simulation.right[0].connection)
    #expect(acceptor.receiveWindow.size < 6 << 20 && UInt64(acceptor.bufferedBytes) <= acceptor.receiveWindow.granted)
    #expect(acceptor.bufferedBytes > 5_000_000)
    simulation.right[0].isReading = true
    // The edge that opens is heard, whatever was said before.
    let goesOn = simulation.run(for: .seconds(20)) { $0.right[0].received > 8 << 20 }
    #expect(goesOn)
  }
}
