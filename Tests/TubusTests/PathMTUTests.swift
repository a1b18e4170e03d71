import Datagrams
import NIOCore
import PlexusTesting
import Testing

@testable import Tubus

/// The largest datagram that passes is found, and kept to, and nothing of the stream is lost on the way.
@Suite struct PathMTUTests {
  private func simulation(mtu: Int, writing: Int, seed: UInt64 = 1) -> SimulatedTubus {
    var conditions = SimulatedLinkConditions(rate: 50e6, delay: .milliseconds(10))
    conditions.mtu = mtu
    let simulation = SimulatedTubus(forward: conditions, seed: seed)
    simulation.connect(writing: writing)
    return simulation
  }

  private func size(_ simulation: SimulatedTubus) -> Int {
    simulation.left[0].connection?.statistics.datagramSize ?? 0
  }

  @Test(arguments: [1472, 1406, 1405, 1300, 1201, 1199, 1000, 600, 548])
  func theSizeThatPassesIsFound(mtu: Int) {
    let simulation = simulation(mtu: mtu, writing: 300_000)
    let arrived = simulation.run(for: .seconds(20)) { $0.right[0].received == 300_000 }
    #expect(arrived && !simulation.right[0].isCorrupt)
    // Where not even the base passes the first moves wait for a few probes.
    #expect(simulation.now < Instant.zero.advanced(by: .seconds(mtu < PathMTU.base ? 6 : 2)))
    _ = simulation.run(for: .seconds(20))
    #expect(size(simulation) <= min(mtu, 1406) && size(simulation) >= min(mtu, 1406) - 16)
  }

  @Test(arguments: [1300, 1000, 600]) func aPathThatShrinksLosesNothing(mtu: Int) {
    let simulation = simulation(mtu: 1472, writing: 2_000_000)
    _ = simulation.run(for: .seconds(10)) { $0.right[0].received > 500_000 }
    #expect(size(simulation) == 1406)
    simulation.forward.conditions.mtu = mtu
    simulation.backward.conditions.mtu = mtu
    let start = simulation.now
    let arrived = simulation.run(for: .seconds(60)) { $0.right[0].received == 2_000_000 }
    #expect(arrived && !simulation.right[0].isCorrupt)
    #expect(start.duration(to: simulation.now) < .seconds(12))
    _ = simulation.run(for: .seconds(30))
    #expect(size(simulation) <= mtu && size(simulation) >= mtu - 16)
  }

  @Test func aPathThatGrowsIsFoundOut() {
    let simulation = simulation(mtu: 1000, writing: 100_000)
    _ = simulation.run(for: .seconds(30))
    #expect((984...1000).contains(size(simulation)))
    simulation.forward.conditions.mtu = 1472
    simulation.backward.conditions.mtu = 1472
    _ = simulation.run(for: .seconds(660))
    #expect(size(simulation) == 1406)
  }

  /// What was cut for a wider path is sent as it was cut, in fragments.
  @Test func movesThatWereCutTooLargeMayBeFragmented() throws {
    var pair = LinkedPair()
    pair.settle(for: .seconds(1))
    #expect(pair.connector.statistics.datagramSize == 1406)
    pair.connector.write(ByteBuffer(repeating: 1, count: 5000))
    let first = pair.connector.drain(now: pair.now).flatMap { Self.moves($0) }
    #expect(first.count == 4)
    // The kernel says that they are too large, and the peer never gets them.
    pair.connector.handleTooLarge(1406, now: pair.now)
    #expect(pair.connector.statistics.datagramSize == PathMTU.base)
    var again: [Range<UInt64>] = []
    var batch = DatagramBatch()
    for _ in 0..<200 where again.count < first.count {
      guard let due = pair.connector.pollTimeout() else { break }
      pair.now = max(pair.now, due)
      pair.connector.handleTimeout(now: pair.now)
      while pair.connector.pollTransmit(into: &batch, now: pair.now) {
        let mayBeFragmented = batch.mayBeFragmented
        batch.forEach { bytes in
          let moves = Self.moves(Array(bytes))
          #expect(bytes.count <= PathMTU.base || mayBeFragmented || moves.isEmpty)
          guard bytes.count <= 1200 || mayBeFragmented else { return }
          again += moves.filter { !again.contains($0) }
          pair.acceptor.take(Array(bytes), now: pair.now)
        }
      }
      for datagram in pair.acceptor.drain(now: pair.now) { pair.connector.take(datagram, now: pair.now) }
    }
    #expect(again.sorted { $0.lowerBound < $1.lowerBound } == first)
    #expect(pair.acceptor.statistics.bytesReceived == 5000)
  }

  @Test func theKernelsWordIsTaken() {
    var mtu = PathMTU(maximum: 1406)
    mtu.start(now: .zero)
    #expect(mtu.nextProbe(now: .zero, answerBy: Instant(nanoseconds: 1000)) == 1406)
    mtu.failed(1406, now: .zero)
    #expect(mtu.size == PathMTU.base)
    #expect(mtu.nextProbe(now: .zero, answerBy: Instant(nanoseconds: 1000)) == 1303)
    // Even what had passed before may not pass now.
    mtu.isBlackHole(now: .zero)
    #expect(mtu.size == PathMTU.floor)
    mtu.isBlackHole(now: .zero)
    #expect(mtu.size == PathMTU.floor)
    mtu.failed(100, now: .zero)
    #expect(mtu.size == PathMTU.floor)
  }

  @Test func nothingIsProbedBeforeThePathIsThere() {
    var mtu = PathMTU(maximum: 1406)
    mtu.isBlackHole(now: .zero)
    mtu.failed(1406, now: .zero)
    #expect(mtu.deadline == nil && mtu.nextProbe(now: .zero, answerBy: .zero) == nil)
    mtu.start(now: .zero)
    #expect(mtu.deadline == .zero)
  }

  @Test(arguments: [548, 900, 1200, 1406, 9000, 65_000]) func theSearchEnds(maximum: Int) {
    for passing in [548, 549, 563, 564, 800, 1200, 1206, 1300, 1406, 4000, 9000, 65_000] {
      var mtu = PathMTU(maximum: maximum)
      if passing < mtu.size { mtu.isBlackHole(now: .zero) }
      mtu.start(now: .zero)
      var (now, probes) = (Instant.zero, 0)
      while let due = mtu.deadline, due < Instant.zero.advanced(by: .seconds(300)) {
        now = max(now, due)
        guard let size = mtu.nextProbe(now: now, answerBy: now.advanced(by: .milliseconds(200))) else { continue }
        probes += 1
        if probes > 100 { break }
        if size <= passing { mtu.passed(size, now: now) }
      }
      // Each halving costs three probes when it fails.
      #expect(probes <= 3 * 16)
      #expect(mtu.size <= max(passing, PathMTU.floor) && mtu.size >= min(passing, maximum) - 16)
    }
  }

  private static func moves(_ datagram: [UInt8]) -> [Range<UInt64>] {
    sections(datagram).compactMap { section in
      guard case .move(let offset, let data) = section else { return nil }
      return offset..<offset + UInt64(data.count)
    }
  }
}
