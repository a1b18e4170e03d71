import Datagrams
import NIOCore
import PlexusTesting
import Testing

@testable import Tubus

/// A peer that knows pin and secret, and lies: nothing traps, memory stays bounded, and what is true goes on.
@Suite struct HostileTests {
  /// Moves that end beyond what was granted, or beyond all numbers.
  @Test func movesBeyondTheEdgeAreRefused() {
    var pair = LinkedPair()
    let forger = Forger(pin: pair.connector.pin)
    let edge = pair.acceptor.receiveWindow.granted
    let offsets = [edge, edge - 1, 1 << 32, 1 << 63, .max - 2, .max - 1, .max]
    for offset in offsets {
      pair.acceptor.take(forger.datagram { _ = $0.appendMove(offset: offset, length: 2) { _ in } }, now: pair.now)
    }
    #expect(pair.acceptor.statistics.movesRefused == UInt64(offsets.count))
    #expect(pair.acceptor.bufferedBytes == 0 && pair.acceptor.echoes.isEmpty)
    // The last byte that was granted is taken.
    pair.acceptor.take(forger.datagram { _ = $0.appendMove(offset: edge - 1, length: 1) { _ in } }, now: pair.now)
    #expect(pair.acceptor.bufferedBytes == 1 && pair.acceptor.echoes.count == 1)
  }

  @Test func whatTheConnectionMayBufferIsHeldTo() {
    var pair = LinkedPair()
    let forger = Forger(pin: pair.connector.pin)
    pair.acceptor.receiveAllowance = 10_000
    for start in stride(from: 1000 as UInt64, to: 200_000, by: 1000) {
      pair.acceptor.take(forger.move(start..<start + 1000), now: pair.now)
    }
    #expect(pair.acceptor.bufferedBytes == 10_000)
    pair.acceptor.receiveAllowance = 0
    pair.acceptor.take(forger.move(0..<1000), now: pair.now)
    #expect(pair.acceptor.readAll(now: pair.now).isEmpty)
    pair.acceptor.receiveAllowance = 20_000
    pair.acceptor.take(forger.move(0..<1000), now: pair.now)
    #expect(pair.acceptor.readAll(now: pair.now).count == 11_000)
  }

  @Test func theFirstCopyOfEachByteCounts() async {
    for seed in TestSeeds.schedules(20) {
      await Task.yield()
      var random = SeededGenerator(seed: seed)
      var pair = LinkedPair()
      let forger = Forger(pin: pair.connector.pin)
      var expected = [UInt8?](repeating: nil, count: 3000)
      for round in 0..<200 {
        let start = Int(random.next() % 3000)
        let end = round == 199 ? 3000 : min(3000, start + Int(random.next() % 400))
        let range = UInt64(round == 199 ? 0 : start)..<UInt64(end)
        let isWrong = random.chance(0.5)
        pair.acceptor.take(forger.move(range, isWrong: isWrong), now: pair.now)
        for offset in range where expected[Int(offset)] == nil {
          expected[Int(offset)] = SimulatedTubus.byte(at: offset) ^ (isWrong ? 0xFF : 0)
        }
      }
      #expect(pair.acceptor.readAll(now: pair.now) == expected.compactMap(\.self), "PLEXUS_SEED=\(seed)")
    }
  }

  /// Each second byte, so that each is an island; then all of them in one move.
  @Test(arguments: [0, 0xFEED] as [UInt64]) func islandsOfOneByteAreBounded(secret: UInt64) {
    var configuration = TubusConfiguration()
    configuration.secret = secret
    var pair = LinkedPair(configuration)
    let forger = Forger(pin: pair.connector.pin, secret: secret)
    var start: UInt64 = 1
    while start < 60_000 {
      let bytes = forger.datagram { writer in
        while writer.space > 20 {
          writer.appendStream(start..<start + 1)
          start += 2
        }
      }
      pair.acceptor.take(bytes, now: pair.now)
      #expect(pair.acceptor.isBounded)
      _ = pair.acceptor.drain(now: pair.now)
    }
    #expect(pair.acceptor.receiveBuffer.islandCount == ReceiveBuffer.maximumIslands)
    pair.acceptor.take(forger.move(0..<60_000), now: pair.now)
    var (buffers, bytes) = (0, ByteBuffer())
    while var next = pair.acceptor.read(now: pair.now) {
      buffers += 1
      bytes.writeBuffer(&next)
    }
    #expect(bytes == SimulatedTubus.bytes(from: 0, count: 60_000))
    // Each byte in a buffer of its own would be a hundred times the memory that was granted.
    #expect(buffers < 16)
  }

  @Test func crumbsAreReadInLargePieces() {
    var pair = LinkedPair()
    let forger = Forger(pin: pair.connector.pin)
    for start in stride(from: 0 as UInt64, to: 20_000, by: 2) {
      pair.acceptor.take(forger.datagram(size: 64) { $0.appendStream(start + 1..<start + 2) }, now: pair.now)
      pair.acceptor.take(forger.datagram(size: 64) { $0.appendStream(start..<start + 1) }, now: pair.now)
      _ = pair.acceptor.drain(now: pair.now)
    }
    var buffers = 0
    while pair.acceptor.read(now: pair.now) != nil { buffers += 1 }
    #expect(pair.acceptor.statistics.bytesReceived == 20_000 && buffers < 16)
  }

  @Test func movesOfNothingAreNothing() {
    var pair = LinkedPair()
    let forger = Forger(pin: pair.connector.pin)
    for offset in [0, 1, 5 << 20, UInt64.max] {
      for _ in 0..<10 {
        let flood = forger.flood { $0.appendMove(offset: offset, length: 0) { _ in } }
        pair.acceptor.take(flood, now: pair.now)
        #expect(pair.acceptor.isBounded)
      }
      let answers = pair.acceptor.drain(now: pair.now)
      #expect(answers.reduce(0) { $0 + $1.count } <= 3 * 10 * 65_507)
    }
    #expect(pair.acceptor.bufferedBytes == 0)
    pair.connector.write(ByteBuffer(string: "still here"))
    pair.settle()
    #expect(pair.acceptor.readAll(now: pair.now) == Array("still here".utf8))
  }

  @Test func echoesOfWhatWasNeverSentAreNothing() {
    var pair = LinkedPair()
    let forger = Forger(pin: pair.acceptor.pin)
    pair.connector.write(ByteBuffer(repeating: 7, count: 3000))
    let sent = pair.connector.drain(now: pair.now)
    let before = pair.connector.statistics
    for offset in [1, 2999, 3000, 1 << 40, .max] as [UInt64] {
      pair.connector.take(forger.flood { $0.append(.moveEcho, offset) }, now: pair.now)
    }
    #expect(pair.connector.statistics.bytesDelivered == before.bytesDelivered)
    #expect(pair.connector.statistics.window == before.window)
    #expect(pair.connector.statistics.bytesInFlight == 3000 && pair.connector.acknowledgedOffset == 0)
    // Of a move that was sent, one echo counts.
    pair.connector.take(forger.flood { $0.append(.moveEcho, 0) }, now: pair.now)
    let acknowledged = pair.connector.acknowledgedOffset
    #expect(acknowledged > 0 && acknowledged < 3000 && pair.connector.statistics.bytesDelivered == acknowledged)
    for datagram in sent { pair.acceptor.take(datagram, now: pair.now) }
    pair.settle(for: .seconds(1))
    #expect(pair.connector.acknowledgedOffset == 3000 && pair.acceptor.readAll(now: pair.now).count == 3000)
  }

  /// The control datagram is smaller than the move, and has nothing to say after all.
  @Test func aLostMoveLeavesBesideAnEdgeThatNeedsNoRepeating() throws {
    var pair = LinkedPair()
    pair.connector.write(SimulatedTubus.bytes(from: 0, count: 6000))
    let moves = pair.connector.drain(now: pair.now)
    pair.acceptor.take(try #require(moves.last), now: pair.now)
    for echo in pair.acceptor.drain(now: pair.now) { pair.connector.take(echo, now: pair.now) }
    #expect(pair.connector.flight.nextLost() != nil)
    pair.connector.mtu = PathMTU(maximum: 1406)
    pair.connector.edgeRepeat = pair.now
    #expect(!pair.connector.drain(now: pair.now).isEmpty)
  }

  @Test func edgesThatShrinkAreForgotten() {
    var pair = LinkedPair()
    let forger = Forger(pin: pair.acceptor.pin)
    let edge = pair.connector.peerEdge
    for number in [edge - 1, 1, 0] as [UInt64] {
      pair.connector.take(forger.datagram { _ = $0.append(.edge, number) }, now: pair.now)
      #expect(pair.connector.peerEdge == edge)
      #expect(pair.connector.drain(now: pair.now).flatMap { sections($0) }.contains(.edgeEcho(number)))
    }
    pair.connector.write(ByteBuffer(repeating: 7, count: 100_000))
    pair.settle(for: .seconds(1))
    #expect(pair.acceptor.readAll(now: pair.now).count == 100_000)
  }

  /// The first edge ever is the largest number: sums with it would trap.
  @Test(arguments: [.max, .max - 1, 1 << 63] as [UInt64]) func enormousEdgesAreOnlyLarge(edge: UInt64) throws {
    var connector = TubusConnection(role: .connector, configuration: TubusConfiguration(), seed: 1, now: .zero)
    let forger = Forger(pin: 99)
    _ = connector.drain(now: .zero)
    connector.take(
      forger.datagram { writer in
        _ = writer.append(.linkEcho)
        _ = writer.append(.edge, edge)
      }, now: .zero)
    connector.write(ByteBuffer(repeating: 7, count: 1000))
    var now = Instant.zero
    let moves = connector.drain(now: now).flatMap { sections($0) }.compactMap { section in
      if case .move(let offset, _) = section { offset } else { nil }
    }
    #expect(moves == [0])
    connector.close(now: now)
    now = now.advanced(by: .milliseconds(10))
    connector.take(forger.datagram { _ = $0.append(.moveEcho, 0) }, now: now)
    // Nobody raises such an edge to show that the stream was read: the shutdown comes after the linger.
    now = now.advanced(by: .milliseconds(300))
    connector.handleTimeout(now: now)
    #expect(connector.drain(now: now).flatMap { sections($0) }.contains(.tear))
    connector.take(forger.datagram { _ = $0.append(.tearEcho) }, now: now)
    #expect(connector.drainEvents() == [.linked, .closed(.closed)])
  }

  /// Sixteen random bits of the edge are no secret from somebody who tries them all.
  @Test func anAddressIsNotProvedByGuessing() {
    var acceptor = TubusConnection(role: .acceptor, configuration: TubusConfiguration(), seed: 5, now: .zero)
    let forger = Forger(pin: 99)
    acceptor.take(forger.datagram { _ = $0.append(.link) }, now: .zero)
    _ = acceptor.drain(now: .zero)
    let initial = UInt64(TubusConfiguration().initialReceiveWindow)
    for start in stride(from: initial, to: initial + 65_536, by: 4096) {
      acceptor.take(
        forger.datagram { writer in
          for edge in start..<start + 4096 { _ = writer.append(.edgeEcho, edge) }
        }, now: .zero)
    }
    for number in 0..<10_000 as Range<UInt64> {
      acceptor.take(forger.datagram(size: 64) { _ = $0.append(.pingEcho, number) }, now: .zero)
    }
    #expect(!acceptor.isPeerProven && acceptor.drainEvents() == [])
  }

  @Test func echoesOfEdgesAndPingsThatNeverWereAreNothing() {
    var pair = LinkedPair()
    let forger = Forger(pin: pair.acceptor.pin)
    let before = pair.connector.statistics
    for number in [0, 1, 5 << 20, 1 << 63, .max] as [UInt64] {
      pair.connector.take(forger.flood { $0.append(.edgeEcho, number) }, now: pair.now)
      pair.connector.take(forger.flood { $0.append(.pingEcho, number) }, now: pair.now)
    }
    #expect(pair.connector.receiveWindow.echoed <= pair.connector.receiveWindow.granted)
    #expect(pair.connector.statistics.roundTrip == before.roundTrip)
    #expect(pair.connector.statistics.datagramSize == before.datagramSize)
  }

  @Test(arguments: [0, 0xFEED] as [UInt64]) func floodsOfOneSectionAreAnsweredWithLittle(secret: UInt64) {
    var configuration = TubusConfiguration()
    configuration.secret = secret
    var pair = LinkedPair(configuration)
    let forger = Forger(pin: pair.connector.pin, secret: secret)
    let floods = [
      forger.flood { $0.append(.link) }, forger.flood { $0.append(.linkEcho) },
      forger.flood { $0.append(.ping, 77) }, forger.flood { $0.append(.edge, 1 << 62) },
      forger.flood { $0.append(.tearEcho) },
    ]
    for flood in floods {
      for _ in 0..<4 { pair.acceptor.take(flood, now: pair.now) }
      #expect(pair.acceptor.isBounded)
      let answers = pair.acceptor.drain(now: pair.now)
      #expect(answers.count <= 2 && answers.allSatisfy { $0.count <= PathMTU.floor })
    }
    #expect(pair.acceptor.isLinked)
    for _ in 0..<4 { pair.acceptor.take(forger.flood { $0.append(.tear) }, now: pair.now) }
    #expect(pair.acceptor.drain(now: pair.now).count == 1)
    #expect(pair.acceptor.drainEvents().suffix(1) == [.closed(.closedByPeer)])
  }

  @Test func sectionsThatLieAboutTheirLengthEndTheList() {
    var pair = LinkedPair()
    let forger = Forger(pin: pair.connector.pin)
    let lies: [[UInt8]] = [
      [0, 8, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3],  // a move of 65,527 bytes in a datagram of few
      [0, 8, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0],  // one byte more than there is
      [0, 8, 0, 7, 0, 0, 0, 0, 0, 0, 0],  // too short for its offset
      [0, 8, 0, 0], [0, 6, 0, 7, 1, 2, 3, 4, 5, 6, 7], [0, 6, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9],
      [0, 2, 0, 1, 0], [0, 4, 0xFF, 0xFF], [0, 4, 0, 1, 0], [0, 5, 0], [0, 0, 0, 4, 0, 4, 0, 0], [0xFF, 0xFF, 0, 0],
    ]
    for lie in lies { pair.acceptor.take(forger.raw(lie), now: pair.now) }
    #expect(pair.acceptor.isLinked && pair.acceptor.bufferedBytes == 0)
    #expect(pair.acceptor.drain(now: pair.now).isEmpty)
  }

  @Test func datagramsOfOthersChangeNothing() throws {
    var configuration = TubusConfiguration()
    configuration.secret = 0xFEED
    var pair = LinkedPair(configuration)
    let strangers = [
      Forger(pin: pair.connector.pin ^ 2, secret: 0xFEED), Forger(pin: pair.connector.pin, secret: 0xBEEF),
      Forger(pin: pair.connector.pin, secret: 0), Forger(pin: 0, secret: 0xFEED),
    ]
    pair.settle(for: .seconds(10))
    let (heard, received) = (pair.acceptor.lastHeard, pair.acceptor.statistics.datagramsReceived)
    for stranger in strangers {
      for bytes in [
        stranger.flood { $0.append(.tear) }, stranger.move(0..<1000), stranger.flood { $0.append(.link) },
      ] {
        let reception = pair.acceptor.take(bytes, now: pair.now.advanced(by: .seconds(1)))
        #expect(reception == .ignored)
      }
    }
    for length in 0..<40 { pair.acceptor.take(Array(repeating: 9, count: length), now: pair.now) }
    #expect(pair.acceptor.lastHeard == heard && pair.acceptor.statistics.datagramsReceived == received)
    #expect(pair.acceptor.isLinked && pair.acceptor.drain(now: pair.now).isEmpty)
  }

  /// All of it at once, at both ends, while a stream runs.
  @Test func theRealStreamGoesOn() async {
    for seed in TestSeeds.schedules(30) {
      await Task.yield()
      interleave(seed)
    }
  }

  private func interleave(_ seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var configuration = TubusConfiguration()
    if random.chance(0.5) { configuration.secret = random.next() | 1 }
    if random.chance(0.5) { configuration.initialReceiveWindow = 30_000 }
    let simulation = SimulatedTubus(
      forward: SimulatedLinkConditions(rate: 20e6, delay: .milliseconds(5), loss: 0.02),
      acceptorConfiguration: configuration, seed: random.next())
    let (written, replied) = (60_000, 40_000)
    simulation.connect(configuration, writing: written, reply: replied)
    let linked = simulation.run(for: .seconds(10)) { $0.left[0].wasLinked && $0.right[0].wasLinked }
    #expect(linked, "PLEXUS_SEED=\(seed)")
    for _ in 0..<100 {
      for (victim, peer) in [(\SimulatedTubus.left, \SimulatedTubus.right), (\.right, \.left)] {
        let pin = simulation[keyPath: peer][0].connection?.pin ?? 0
        let forger = Forger(pin: pin, secret: configuration.secret, salt: random.next() | 1)
        let limit = simulation[keyPath: victim][0].connection?.receiveWindow.granted ?? 0
        simulation.inject(Self.nonsense(forger, edge: limit, &random), into: victim)
        #expect(simulation[keyPath: victim][0].connection?.isBounded == true, "PLEXUS_SEED=\(seed)")
      }
      _ = simulation.run(for: random.duration(upTo: .milliseconds(5)))
    }
    let arrived = simulation.run(for: .seconds(200)) {
      $0.right[0].received >= UInt64(written) && $0.left[0].received >= UInt64(replied)
        && $0.left[0].connection?.acknowledgedOffset == UInt64(written)
        && $0.right[0].connection?.acknowledgedOffset == UInt64(replied)
    }
    #expect(arrived, "PLEXUS_SEED=\(seed)")
    #expect(!simulation.right[0].isCorrupt && !simulation.left[0].isCorrupt, "PLEXUS_SEED=\(seed)")
  }

  /// A datagram of anything but the end, the echoes of what was sent, and false bytes: only the peer itself could harm itself so.
  private static func nonsense(_ forger: Forger, edge: UInt64, _ random: inout SeededGenerator) -> [UInt8] {
    let size = random.chance(0.2) ? 65_507 : 1406
    return forger.datagram(size: size) { writer in
      for _ in 0..<Int(1 + random.next() % 40) {
        let numbers = [0, 1, edge - 1, edge, edge + 1, 1 << 32, 1 << 63, .max - 3, .max, random.next()]
        let number = numbers[Int(random.next() % UInt64(numbers.count))]
        switch random.next() % 9 {
        case 0: _ = writer.append(.link)
        case 1: _ = writer.append(.linkEcho)
        case 2: _ = writer.append(.ping, number)
        case 3: _ = writer.append(.pingEcho, number)
        case 4: _ = writer.append(.moveEcho, number | 1 << 62)
        case 5: _ = writer.append(.edge, number)
        case 6:
          // Who says that it knows an edge will not be told again.
          if number > edge { _ = writer.append(.edgeEcho, number) }
        case 7:
          let start = random.next() % 50_000
          writer.appendStream(start..<start + random.next() % 900)
        default:
          let length = Int(random.next() % 100)
          guard number >= edge else { continue }
          _ = writer.appendMove(offset: number, length: length) { _ in }
        }
      }
      if random.chance(0.2) { _ = writer.append(.tearEcho) }
    }
  }
}
