import NIOCore

@testable import Wormhole

/// What one end of a tunnel saw of a stream.
struct StreamRecord {
  /// Bytes that its local side sent and got.
  var sent = 0
  var received = 0
  /// Its local side ended its direction, or gave the stream up.
  var hasFinished = false
  var hasCut = false
  /// The other end did.
  var isFinished = false
  var isClosed = false
  var reason: CloseReason?
  /// Both ends know of half-close here.
  var isNegotiated = false
  /// A byte was not the one that belongs there.
  var isGarbled = false

  /// The byte at a place of a stream, so that any loss, repetition or mix-up shows.
  static func byte(stream: UInt32, fromImporter: Bool, at offset: Int) -> UInt8 {
    UInt8(truncatingIfNeeded: (offset &* 0x9E37 &+ offset >> 8) ^ Int(stream) &* 57 ^ (fromImporter ? 0xA5 : 0))
  }

  mutating func take(_ bytes: some Collection<UInt8>, stream: UInt32, fromImporter: Bool) {
    for byte in bytes {
      if byte != Self.byte(stream: stream, fromImporter: fromImporter, at: received) { isGarbled = true }
      received += 1
    }
  }
}

/// One end of a tunnel in memory.
protocol SessionEnd: AnyObject {
  var isImporter: Bool { get }
  /// Whether it knows only the old wire.
  var isOld: Bool { get }
  var records: [UInt32: StreamRecord] { get set }
  func open() -> UInt32?
  func send(_ bytes: [UInt8], on id: UInt32)
  func finish(_ id: UInt32)
  func cut(_ id: UInt32)
  func receive(_ bytes: [UInt8])
  /// What it has for the tunnel.
  func takeOutput() -> [UInt8]
  /// Delivers what local sides have been slow to take.
  func catchUp()
}

extension SessionEnd {
  func send(_ count: Int, on id: UInt32) {
    guard var record = records[id], !record.hasFinished, !record.isClosed else { return }
    let start = record.sent
    let bytes = (start..<start + count).map { StreamRecord.byte(stream: id, fromImporter: isImporter, at: $0) }
    record.sent += count
    records[id] = record
    send(bytes, on: id)
  }
}

/// Our session as an end.
final class OurEnd: SessionEnd {
  var session: WormholeSession
  let isOld: Bool
  var records: [UInt32: StreamRecord] = [:]
  /// Whether local sides take what comes at once.
  var isPrompt = true
  var failure: String?
  private var late: [(UInt32, Int)] = []
  var isImporter: Bool { session.role == .importer }

  init(_ role: WormholeSession.Role, isOld: Bool = false, limits: SessionLimits = .init()) {
    session = WormholeSession(role: role, limits: limits, offering: isOld ? nil : .all)
    self.isOld = isOld
  }

  func open() -> UInt32? {
    guard let id = try? session.open(StreamRequest()) else { return nil }
    records[id] = StreamRecord(isNegotiated: session.streams[id]?.isNegotiated ?? false)
    return id
  }

  func send(_ bytes: [UInt8], on id: UInt32) { session.write(ByteBuffer(bytes: bytes), on: id) }

  func finish(_ id: UInt32) {
    records[id]?.hasFinished = true
    session.finish(id)
    handleEvents()
  }

  func cut(_ id: UInt32) {
    records[id]?.hasCut = true
    session.cut(id, for: CloseReason(.reset, "cut by the test"))
  }

  func receive(_ bytes: [UInt8]) {
    session.receive(ByteBuffer(bytes: bytes))
    handleEvents()
  }

  func takeOutput() -> [UInt8] {
    var output: [UInt8] = []
    while let piece = session.pollTransmit() { output += Array(piece.readableBytesView) }
    handleEvents()
    return output
  }

  func catchUp() {
    for (id, count) in late { session.deliver(count, on: id) }
    late = []
    handleEvents()
  }

  private func handleEvents() {
    while let event = session.pollEvent() {
      switch event {
      case .opened(let id, _):
        records[id] = StreamRecord()
        session.connected(id)
      case .data(let id, let bytes):
        records[id]?.take(bytes.readableBytesView, stream: id, fromImporter: !isImporter)
        if isPrompt { session.deliver(bytes.readableBytes, on: id) } else { late.append((id, bytes.readableBytes)) }
      case .finished(let id): records[id]?.isFinished = true
      case .closed(let id, let reason):
        records[id]?.isClosed = true
        records[id]?.reason = reason
      case .failed(let sentence): failure = sentence
      case .introduced, .connected, .writable: break
      }
    }
  }
}

/// The model of the old wire as an end.
final class OldEnd: SessionEnd {
  private var peer: OldWirePeer
  let isOld = true
  var records: [UInt32: StreamRecord] = [:]
  var isImporter: Bool { peer.role == .importer }
  var dropped: Int { peer.dropped }

  init(_ role: OldWirePeer.Role) { peer = OldWirePeer(role) }

  func open() -> UInt32? {
    let id = peer.openStream()
    records[id] = StreamRecord()
    return id
  }

  func send(_ bytes: [UInt8], on id: UInt32) { peer.send(bytes, on: id) }

  func finish(_ id: UInt32) {
    records[id]?.hasFinished = true
    peer.close(id)
  }

  func cut(_ id: UInt32) {
    records[id]?.hasCut = true
    peer.close(id)
  }

  func receive(_ bytes: [UInt8]) {
    for event in peer.receive(bytes) {
      switch event {
      case .opened(let id): records[id] = StreamRecord()
      case .data(let id, let bytes): records[id]?.take(bytes, stream: id, fromImporter: !isImporter)
      case .closed(let id): records[id]?.isClosed = true
      }
    }
  }

  func takeOutput() -> [UInt8] { peer.takeOutput() }

  func catchUp() {}
}

/// Two ends and the bytes between them.
final class EndPair {
  let importer: any SessionEnd
  let exporter: any SessionEnd
  private var toExporter: [UInt8] = []
  private var toImporter: [UInt8] = []

  init(_ importer: any SessionEnd, _ exporter: any SessionEnd) {
    self.importer = importer
    self.exporter = exporter
  }

  var ends: [any SessionEnd] { [importer, exporter] }

  /// Moves up to a number of bytes each way; true when something moved.
  @discardableResult func move(upTo count: Int = .max) -> Bool {
    toExporter += importer.takeOutput()
    toImporter += exporter.takeOutput()
    let (there, back) = (toExporter.prefix(count), toImporter.prefix(count))
    toExporter.removeFirst(there.count)
    toImporter.removeFirst(back.count)
    if !there.isEmpty { exporter.receive(Array(there)) }
    if !back.isEmpty { importer.receive(Array(back)) }
    return !there.isEmpty || !back.isEmpty
  }

  /// Until nothing moves any more.
  func settle() {
    repeat {
      for end in ends { end.catchUp() }
    } while move()
  }
}
