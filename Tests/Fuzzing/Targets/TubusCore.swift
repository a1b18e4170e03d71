import Datagrams
import Glibc
import NIOCore

@testable import Tubus

/// A core under test: whatever it is told, what it holds stays bounded, what it says is well-formed, and it does not ask to be woken
/// without end.
struct FuzzedTubus {
  var connection: TubusConnection
  private(set) var events: [TubusEvent] = []
  private let secret: UInt64
  private var cuts: [UInt64: Int] = [:]
  private var batch = FuzzedBatch()

  init(role: TubusConnection.Role, secret: UInt64, window: Int, seed: UInt64) {
    var configuration = TubusConfiguration()
    configuration.secret = secret
    configuration.initialReceiveWindow = window
    configuration.congestionControl = seed & 1 == 0 ? .bbr : .cubic
    self.secret = secret
    connection = TubusConnection(role: role, configuration: configuration, seed: seed, now: .zero)
  }

  var ending: TubusEnding? { events.compactMap { if case .closed(let ending) = $0 { ending } else { nil } }.first }
  var isLinked: Bool { events.contains(.linked) }

  mutating func receive(_ bytes: [UInt8], now: Instant) throws {
    bytes.withUnsafeBytes { _ = connection.receive($0, now: now) }
    try judge()
  }

  /// The bytes of every stream follow from their offsets: they repeat after a prime number of them, which no cut divides.
  private static let period = 65_521
  private static let pattern: [UInt8] = {
    var random = FuzzRandom(seed: 1)
    let once = (0..<period).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    return once + once + once
  }()

  /// The bytes of a stream from an offset on, up to 131,042.
  static func bytes(from offset: UInt64, count: Int) -> ArraySlice<UInt8> {
    let start = Int(offset % UInt64(period))
    return pattern[start..<start + count]
  }

  /// Whether these are the bytes of a stream from an offset on.
  static func isStream(_ bytes: UnsafeRawBufferPointer, from offset: UInt64) -> Bool {
    Self.bytes(from: offset, count: bytes.count).withUnsafeBytes { right in
      guard let first = bytes.baseAddress, let second = right.baseAddress else { return bytes.isEmpty }
      return memcmp(first, second, bytes.count) == 0
    }
  }

  mutating func write(_ count: Int) {
    connection.write(ByteBuffer(bytes: Self.bytes(from: connection.writtenOffset, count: count)))
  }

  /// What it has to send now, masked.
  mutating func drain(now: Instant) throws -> [[UInt8]] {
    var datagrams: [[UInt8]] = []
    while let next = batch.poll(&connection, now: now) {
      datagrams += next
      try demand(datagrams.count < 20_000, "datagrams without end")
    }
    while let event = connection.pollEvent() { events.append(event) }
    try demand(events.count <= 2, "events \(events)")
    if events.count == 2 { try demand(events[0] == .linked && events[1] != .linked, "events \(events)") }
    for datagram in datagrams { try judge(datagram) }
    return datagrams
  }

  private func judge() throws {
    let granted = connection.receiveWindow.granted
    try demand(UInt64(connection.bufferedBytes) <= granted, "\(connection.bufferedBytes) bytes are held")
    try demand(
      connection.receiveBuffer.islandCount <= ReceiveBuffer.maximumIslands,
      "\(connection.receiveBuffer.islandCount) islands")
    try demand(connection.echoes.count <= EchoQueue.capacity, "\(connection.echoes.count) echoes")
    try demand(connection.pingEchoes.count <= 16, "\(connection.pingEchoes.count) echoes of pings")
    try demand(connection.receiveWindow.echoed <= granted, "an edge was echoed that never was granted")
    _ = connection.statistics
  }

  private mutating func judge(_ datagram: [UInt8]) throws {
    try demand(datagram.count <= 1406, "a datagram of \(datagram.count) bytes")
    let plain = Self.unmasked(datagram, secret: secret)
    guard let header = plain.withUnsafeBytes({ DatagramHeader($0) }), header.pin == connection.pin else {
      throw Violation(description: "a datagram without its header")
    }
    var position = DatagramHeader.length
    var count = 0
    while plain.count - position >= Section.headerLength {
      let type = UInt16(plain[position]) << 8 | UInt16(plain[position + 1])
      let length = Int(plain[position + 2]) << 8 | Int(plain[position + 3])
      if type == 0 { break }
      position += Section.headerLength + length
      count += 1
      guard let kind = Section.Kind(rawValue: type) else { throw Violation(description: "a section of type \(type)") }
      switch kind {
      case .link, .linkEcho, .tear, .tearEcho: try demand(length == 0, "\(kind) of \(length) bytes")
      case .ping, .pingEcho, .moveEcho, .edge, .edgeEcho: try demand(length == 8, "\(kind) of \(length) bytes")
      case .move:
        try demand(length > 8 && position <= plain.count, "a move of \(length) bytes")
        let start = position - length
        try judgeMove(plain[start..<position])
      }
    }
    try demand(count > 0, "a datagram without a section")
    try demand(
      plain[min(position, plain.count)...].allSatisfy { $0 == 0 } && position <= plain.count, "a list without its end")
  }

  private mutating func judgeMove(_ value: ArraySlice<UInt8>) throws {
    let offset = value.prefix(8).reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
    let data = value.dropFirst(8)
    try demand(offset + UInt64(data.count) <= connection.peerEdge, "a move beyond the edge")
    try demand(cuts[offset, default: data.count] == data.count, "the move at \(offset) is cut anew")
    cuts[offset] = data.count
    let isRight = data.withUnsafeBytes { Self.isStream($0, from: offset) }
    try demand(isRight, "the move at \(offset) has other bytes")
  }

  static func unmasked(_ datagram: [UInt8], secret: UInt64) -> [UInt8] {
    guard let obscuring = Obscuring(secret: secret) else { return datagram }
    var plain = datagram
    datagram.withUnsafeBytes { source in plain.withUnsafeMutableBytes { obscuring.unmask(source, into: $0) } }
    return plain
  }

  static func masked(_ plain: [UInt8], secret: UInt64, salt: UInt64) -> [UInt8] {
    guard let obscuring = Obscuring(secret: secret) else { return plain }
    var bytes = plain
    bytes.withUnsafeMutableBytes { obscuring.mask($0, salt: salt | 1) }
    return bytes
  }
}

/// A batch in a place that can be copied.
private final class FuzzedBatch {
  private var batch = DatagramBatch()

  func poll(_ connection: inout TubusConnection, now: Instant) -> [[UInt8]]? {
    guard connection.pollTransmit(into: &batch, now: now) else { return nil }
    var datagrams: [[UInt8]] = []
    batch.forEach { datagrams.append(Array($0)) }
    return datagrams
  }
}
