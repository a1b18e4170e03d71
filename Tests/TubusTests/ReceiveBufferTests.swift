import PlexusTesting
import Testing

@testable import Tubus

@Suite struct ReceiveBufferTests {
  private func insert(_ buffer: inout ReceiveBuffer, _ range: Range<Int>) -> ReceiveBuffer.Insertion {
    SimulatedTubus.bytes(from: UInt64(range.lowerBound), count: range.count).withUnsafeReadableBytes {
      buffer.insert($0, at: UInt64(range.lowerBound))
    }
  }

  private func readAll(_ buffer: inout ReceiveBuffer) -> [UInt8] {
    var bytes: [UInt8] = []
    while let next = buffer.read() { bytes += Array(next.readableBytesView) }
    return bytes
  }

  @Test func piecesInAnyOrderAndOverlapBecomeTheStream() async {
    for seed in TestSeeds.schedules(150) {
      await Task.yield()
      var random = SeededGenerator(seed: seed)
      var buffer = ReceiveBuffer()
      let total = 1 + Int(random.next() % 4000)
      var got: [UInt8] = []
      while got.count < total {
        let start = min(total - 1, max(0, got.count - 100) + Int(random.next() % 1200))
        let end = min(total, start + 1 + Int(random.next() % 300))
        _ = insert(&buffer, start..<end)
        // Progress, whatever the dice say.
        if random.chance(0.3) { _ = insert(&buffer, Int(buffer.frontier)..<min(total, Int(buffer.frontier) + 50)) }
        if random.chance(0.5) { got += readAll(&buffer) }
      }
      #expect(got == Array(SimulatedTubus.bytes(from: 0, count: total).readableBytesView), "PLEXUS_SEED=\(seed)")
      #expect(buffer.readableBytes == 0 && buffer.waitingBytes == 0, "PLEXUS_SEED=\(seed)")
    }
  }

  @Test func whatIsThereIsADuplicate() {
    var buffer = ReceiveBuffer()
    #expect(insert(&buffer, 10..<20) == .stored)
    #expect(insert(&buffer, 12..<18) == .duplicate)
    #expect(insert(&buffer, 0..<10) == .stored)
    #expect(insert(&buffer, 0..<20) == .duplicate)
    #expect(buffer.frontier == 20)
  }

  @Test func islandsAreBounded() {
    var buffer = ReceiveBuffer()
    for index in 0..<ReceiveBuffer.maximumIslands { #expect(insert(&buffer, 2 * index + 1..<2 * index + 2) == .stored) }
    let beyond = 2 * ReceiveBuffer.maximumIslands + 1
    #expect(insert(&buffer, beyond..<beyond + 1) == .refused)
    #expect(buffer.waitingBytes == ReceiveBuffer.maximumIslands)
    #expect(insert(&buffer, 0..<1) == .stored)
    #expect(buffer.frontier == 2)
  }
}
