import Datagrams
import NIOCore
import PlexusTesting
import Tubus

@testable import Wormhole

/// A session at each end of a tubus connection over a simulated path, in virtual time. Pumped as `TunnelHandler` is and when it is, no
/// oftener: what nobody wakes up stays lying.
final class SimulatedTunnel {
  private(set) var now = Instant.zero
  let importer: SimulatedWormhole
  let exporter: SimulatedWormhole
  var toExporter: SimulatedLink
  var toImporter: SimulatedLink
  private var batch = DatagramBatch()
  private let configuration: TubusConfiguration
  private var seeds: SeededGenerator

  init(
    toExporter: SimulatedLinkConditions, toImporter: SimulatedLinkConditions, configuration: TubusConfiguration,
    limits: SessionLimits, seed: UInt64
  ) {
    seeds = SeededGenerator(seed: seed)
    self.configuration = configuration
    self.toExporter = SimulatedLink(toExporter, seed: seeds.next())
    self.toImporter = SimulatedLink(toImporter, seed: seeds.next())
    importer = SimulatedWormhole(.importer, limits: limits, random: seeds.split())
    exporter = SimulatedWormhole(.exporter, limits: limits, random: seeds.split())
    importer.connection = TubusConnection(
      role: .connector, configuration: configuration, seed: seeds.next(), now: now)
    serve(importer)
  }

  /// Lets time pass until something holds; false when it did not in time.
  func run(for limit: Duration, until condition: (SimulatedTunnel) -> Bool = { _ in false }) -> Bool {
    let end = now.advanced(by: limit)
    while !condition(self) {
      guard let next = nextInstant, next <= end else {
        now = end
        return condition(self)
      }
      now = max(now, next)
      deliver()
      for end in [importer, exporter] where end.pausedUntil <= now {
        end.receiveWaiting(now: now)
        end.connection?.handleTimeout(now: now)
        end.actLocally(now: now)
        serve(end)
        end.beLate(now: now)
      }
    }
    return true
  }

  private var nextInstant: Instant? {
    [toExporter.nextArrival, toImporter.nextArrival, importer.nextWake, exporter.nextWake].compactMap(\.self).min()
  }

  private func deliver() {
    while let (_, bytes) = toExporter.arrival(by: now) {
      if exporter.connection == nil {
        exporter.connection = TubusConnection(
          role: .acceptor, configuration: configuration, seed: seeds.next(), now: now)
      }
      exporter.take(bytes)
    }
    while let (_, bytes) = toImporter.arrival(by: now) { importer.take(bytes) }
  }

  private func serve(_ end: SimulatedWormhole) {
    repeat {
      end.readTunnel(now: now)
      end.pumpIfDue()
      while end.connection?.pollTransmit(into: &batch, now: now) == true {
        let mayBeFragmented = batch.mayBeFragmented
        batch.forEach {
          if end === importer {
            toExporter.send($0, mayBeFragmented: mayBeFragmented, now: now)
          } else {
            toImporter.send($0, mayBeFragmented: mayBeFragmented, now: now)
          }
        }
      }
      end.updateWritability()
    } while end.canPump
  }
}

/// One end: the session, and what `TunnelHandler`, the tubus channel and the local sides do.
final class SimulatedWormhole {
  /// A stream's local side: a source that has bytes for ever, and a reader behind a small buffer.
  struct Side {
    var isSource = false
    var readAt: Instant?
    var written = 0
    /// Bytes a second; 0 reads nothing.
    var readRate = 1e9
    var waiting = 0
    var received = 0
    var reason: CloseReason?
  }

  var connection: TubusConnection?
  private(set) var session: WormholeSession
  var sides: [UInt32: Side] = [:]
  var failure: String?
  /// What a source is read with.
  private var random: SeededGenerator
  private var isPumpDue = true
  private var isLinked = false
  private var isWritable = true
  private var drainAt: Instant?
  private var drainedAt = Instant.zero
  private var now = Instant.zero

  private static let block = ByteBuffer(repeating: 7, count: SessionLimits.soleQuantum)
  private static let drainInterval = Duration.milliseconds(1)

  init(_ role: WormholeSession.Role, limits: SessionLimits, random: SeededGenerator) {
    session = WormholeSession(role: role, limits: limits)
    self.random = random
  }

  var isSettled: Bool { session.features != nil }

  func open() throws -> UInt32 {
    let id = try session.open(StreamRequest())
    sides[id] = Side()
    isPumpDue = true
    return id
  }

  /// Makes the stream's local side send without end.
  func startSource(_ id: UInt32, now: Instant) {
    sides[id]?.isSource = true
    readIfWanted(id, now: now)
  }

  /// The machine is busy with something else until then.
  var pausedUntil = Instant.zero
  /// How late the machine wakes it up, at most.
  var lateness = Duration.zero
  private var socket: [[UInt8]] = []
  private var socketBytes = 0

  func beLate(now: Instant) {
    if lateness > .zero { pausedUntil = max(pausedUntil, now.advanced(by: random.duration(upTo: lateness))) }
  }

  /// A datagram for the socket's buffer, which the driver makes as large.
  func take(_ datagram: [UInt8]) {
    guard socketBytes + datagram.count <= 4 << 20 else { return }
    socket.append(datagram)
    socketBytes += datagram.count
  }

  func receiveWaiting(now: Instant) {
    for datagram in socket { datagram.withUnsafeBytes { _ = connection?.receive($0, now: now) } }
    socket.removeAll(keepingCapacity: true)
    socketBytes = 0
  }

  var nextWake: Instant? {
    let soonest = [connection?.pollTimeout(), nextAct, socket.isEmpty ? nil : pausedUntil].compactMap(\.self).min()
    return soonest.map { max($0, pausedUntil) }
  }

  private var nextAct: Instant? {
    var soonest = drainAt
    for side in sides.values { if let at = side.readAt, at < soonest ?? .distantFuture { soonest = at } }
    return soonest
  }

  func actLocally(now: Instant) {
    for (id, side) in sides {
      guard let at = side.readAt, at <= now else { continue }
      sides[id]?.readAt = nil
      let bytes = Self.block.getSlice(at: 0, length: Int.random(in: 1...SessionLimits.soleQuantum, using: &random))
      session.write(bytes ?? Self.block, on: id)
      sides[id]?.written += bytes?.readableBytes ?? 0
      isPumpDue = true
      readIfWanted(id, now: now)
    }
    guard let at = drainAt, at <= now else { return }
    drainAt = nil
    let seconds = drainedAt.duration(to: now).milliseconds / 1000
    drainedAt = now
    for (id, side) in sides where side.waiting > 0 {
      let count = min(side.waiting, Int(side.readRate * seconds))
      sides[id]?.waiting -= count
      sides[id]?.received += count
      guard count > 0 else { continue }
      session.deliver(count, on: id)
      if session.hasTransmit { isPumpDue = true }
    }
    scheduleDrain(now: now)
  }

  private func scheduleDrain(now: Instant) {
    guard drainAt == nil, sides.values.contains(where: { $0.waiting > 0 }) else { return }
    drainedAt = now
    drainAt = now.advanced(by: Self.drainInterval)
  }

  private func readIfWanted(_ id: UInt32, now: Instant) {
    guard sides[id]?.isSource == true, sides[id]?.readAt == nil, session.takesMore(id) else { return }
    sides[id]?.readAt = now.advanced(by: random.duration(upTo: .microseconds(200)))
  }

  // MARK: The tunnel

  func readTunnel(now: Instant) {
    while let event = connection?.pollEvent() {
      switch event {
      case .linked: isLinked = true
      case .closed(let ending): failure = failure ?? "\(ending)"
      }
    }
    var hasRead = false
    while let bytes = connection?.read(now: now) {
      session.receive(bytes)
      handleEvents(now: now)
      hasRead = true
    }
    if hasRead { isPumpDue = true }
    scheduleDrain(now: now)
    self.now = now
  }

  private func handleEvents(now: Instant) {
    while let event = session.pollEvent() {
      switch event {
      case .opened(let id, _):
        sides[id] = Side()
        session.connected(id)
        isPumpDue = true
      case .data(let id, let bytes): sides[id]?.waiting += bytes.readableBytes
      case .writable(let id): readIfWanted(id, now: now)
      case .closed(let id, let reason): sides[id]?.reason = reason
      case .failed(let sentence): failure = sentence
      case .finished, .connected, .introduced: break
      }
    }
  }

  /// Whether there is something to do at once.
  var canPump: Bool { isPumpDue && isLinked }

  func pumpIfDue() {
    guard canPump else { return }
    isPumpDue = false
    handleEvents(now: now)
    var hasWritten = true
    while hasWritten {
      hasWritten = false
      while isWritable, let piece = session.pollTransmit() {
        connection?.write(piece)
        hasWritten = true
        isWritable = (connection?.unsentBytes ?? 0) <= 256 << 10
      }
      handleEvents(now: now)
    }
  }

  func updateWritability() {
    guard !isWritable, let unsent = connection?.unsentBytes, unsent < 128 << 10 else { return }
    isWritable = true
    isPumpDue = true
  }
}
