import NIOCore
import Testing

@testable import Wormhole

/// Who comes when, and how far windows go.
@Suite struct SchedulingTests {
  /// A sixteenth of the defaults, for debug builds.
  private static var small: SessionLimits {
    var limits = SessionLimits()
    limits.initialWindow /= 16
    limits.firstWindow /= 16
    limits.largestWindow /= 16
    limits.windows /= 16
    return limits
  }

  @Test func aSmallStreamPassesALargeOne() throws {
    var session = WormholeSession(role: .importer)
    let bulk = try session.open(StreamRequest())
    let small = try session.open(StreamRequest())
    while session.pollTransmit() != nil {}
    for _ in 0..<16 { session.write(ByteBuffer(repeating: 1, count: 1 << 18), on: bulk) }
    // The large one has had its turn.
    var decoder = FrameDecoder()
    var first = session.pollTransmit() ?? ByteBuffer()
    while decoder.next(in: &first) != nil {}
    session.write(ByteBuffer(string: "hello"), on: small)
    var before = 0
    var hasPassed = false
    while !hasPassed, var piece = session.pollTransmit() {
      while let part = decoder.next(in: &piece) {
        if case .payload(small, _) = part { hasPassed = true }
        if case .payload(bulk, let bytes) = part, !hasPassed { before += bytes.readableBytes }
      }
    }
    #expect(hasPassed)
    #expect(before <= SessionLimits.soleQuantum + SessionLimits.quantum)
  }

  @Test func largeStreamsTakeTurns() throws {
    var session = WormholeSession(role: .importer)
    let ids = try (0..<4).map { _ in try session.open(StreamRequest()) }
    for id in ids { session.write(ByteBuffer(repeating: UInt8(id), count: 1 << 20), on: id) }
    var sent = [Int](repeating: 0, count: 4)
    var decoder = FrameDecoder()
    while sent.reduce(0, +) < 2 << 20, var piece = session.pollTransmit() {
      while let part = decoder.next(in: &piece) {
        if case .payload(let id, let bytes) = part, id < 4 { sent[Int(id)] += bytes.readableBytes }
      }
    }
    #expect((sent.max() ?? 0) - (sent.min() ?? 0) <= SessionLimits.soleQuantum)
  }

  /// A window too small for the path grows as long as the reader keeps up, each round trip, up to its bound.
  @Test func theWindowGrowsToThePath() throws {
    let (importer, exporter) = (OurEnd(.importer, limits: Self.small), OurEnd(.exporter, limits: Self.small))
    let tunnel = EndPair(importer, exporter)
    tunnel.settle()
    let id = try #require(importer.open())
    tunnel.settle()
    var most = 0
    for _ in 0..<12 {
      // One round trip: everything that is allowed leaves before anything comes back.
      importer.send([UInt8](repeating: 0, count: 2 << 20), on: id)
      let bytes = importer.takeOutput()
      most = max(most, bytes.count)
      exporter.receive(bytes)
      importer.receive(exporter.takeOutput())
    }
    #expect(most >= importer.session.limits.largestWindow / 2)
    #expect(exporter.session.promised <= exporter.session.limits.windows)
  }

  /// Otherwise its window grows a round trip later than it could, or whenever something else happens.
  @Test func aStreamWithoutCreditSaysSoAtOnce() throws {
    let (importer, exporter) = (OurEnd(.importer, limits: Self.small), OurEnd(.exporter, limits: Self.small))
    exporter.isPrompt = false
    let tunnel = EndPair(importer, exporter)
    tunnel.settle()
    let id = try #require(importer.open())
    while tunnel.move() {}
    let credit = try #require(importer.session.streams[id]?.credit)
    importer.send(credit, on: id)
    while tunnel.move() {}
    importer.send(1, on: id)
    #expect(!importer.takeOutput().isEmpty)
  }

  @Test func theWindowOfASlowReaderStaysSmall() throws {
    let (importer, exporter) = (OurEnd(.importer, limits: Self.small), OurEnd(.exporter, limits: Self.small))
    exporter.isPrompt = false
    let tunnel = EndPair(importer, exporter)
    tunnel.settle()
    let id = try #require(importer.open())
    importer.send([UInt8](repeating: 0, count: 2 << 20), on: id)
    while tunnel.move() {}
    #expect(exporter.session.held <= exporter.session.limits.firstWindow)
    #expect(exporter.records[id]?.isClosed == false)
  }
}
