import Datagrams

@testable import Tubus

/// A model of the deployed implementation, written from the description of the protocol: what it sends, when it sends it, and what it
/// would not understand. What ours does that it could not live with is counted in ``complaints``.
struct ReferencePeer: WireEnd {
  enum State: Equatable { case linking, linked, tearing(until: Instant), torn, failed(String) }

  private struct Move {
    let bytes: [UInt8]
    var sentAt: Instant
    var tries: Int
  }

  /// Moves in flight.
  private static let flight = 48
  private static let tries = 32
  private static let maximumDatagram = 1406
  private static let repeats = Duration.milliseconds(100)
  private static let pingInterval = Duration.seconds(30)
  private static let silence = Duration.seconds(35)
  private static let tearTimeout = Duration.seconds(2)
  private static let window: UInt64 = 5 << 20

  let role: TubusConnection.Role
  let pin: UInt32 = 1
  private let obscuring: Obscuring?
  private(set) var state = State.linking
  /// What a strict reader of version 1.2 could not take, or what breaks a rule that it relies on.
  private(set) var complaints: [String] = []
  /// What its application has read.
  private(set) var received: [UInt8] = []
  /// The application reads so many bytes a millisecond at most.
  var readsPerMillisecond = Int.max
  /// Closes, as abruptly as it does, once all that it wrote was echoed.
  var closesWhenFlushed = false

  private var salt: UInt64 = 0x0123_4567_89AB_CDEF
  private var peerPin: UInt32 = 0
  private var urgent: [(Section.Kind, UInt64?)] = []
  private var lastHeard = Instant.zero
  private var linkAt: Instant? = .zero
  private var tearAt: Instant?

  // The stream it sends.
  private var unsent: ArraySlice<UInt8> = []
  private var sentEnd: UInt64 = 0
  private var inFlight: [UInt64: Move] = [:]
  private var peerEdge: UInt64 = 0
  private var roundTrip: Duration?
  private var pingAt: Instant?

  // The stream it receives: pieces filed by offset, as they were first cut.
  private var pieces: [UInt64: [UInt8]] = [:]
  private var taken: [UInt64: Int] = [:]
  private var frontier: UInt64 = 0
  private var unread: ArraySlice<UInt8> = []
  private var consumed: UInt64 = 0
  private var readAt: Instant?
  private var edge = Self.window
  private var echoedEdge: UInt64 = 0
  private var edgeAt: Instant?

  init(_ role: TubusConnection.Role, secret: UInt64 = 0) {
    self.role = role
    obscuring = Obscuring(secret: secret)
  }

  mutating func write(_ bytes: [UInt8]) { unsent += bytes }

  /// Whether all that was written has been echoed.
  var isFlushed: Bool { unsent.isEmpty && inFlight.isEmpty }

  mutating func close(now: Instant) {
    guard state == .linked else { return }
    state = .tearing(until: now.advanced(by: Self.tearTimeout))
    (tearAt, unread) = (now, [])
  }

  private var isOver: Bool {
    switch state {
    case .torn, .failed: true
    case .linking, .linked, .tearing: false
    }
  }

  // MARK: What comes

  mutating func take(_ datagram: [UInt8], at now: Instant) {
    var plain = datagram
    if let obscuring {
      datagram.withUnsafeBytes { source in plain.withUnsafeMutableBytes { obscuring.unmask(source, into: $0) } }
    }
    guard let header = plain.withUnsafeBytes({ DatagramHeader($0) }) else { return complain("no header") }
    if state != .linking, header.pin != peerPin { return }
    let sections = strictSections(plain)
    if sections.isEmpty { complain("a datagram without a section") }
    if state == .linking {
      guard sections.contains(role == .acceptor ? .link : .linkEcho) else { return }
      peerPin = header.pin
      state = .linked
      linkAt = nil
      if role == .connector { pingAt = now }
      edgeAt = now
    }
    lastHeard = now
    for section in sections { take(section, plain, now: now) }
  }

  /// Every section there is; what no version 1.2 writes is a complaint.
  private mutating func strictSections(_ plain: [UInt8]) -> [Section] {
    var reader = 16
    var found: [Section] = []
    while plain.count - reader >= 4 {
      let type = UInt16(plain[reader]) << 8 | UInt16(plain[reader + 1])
      let length = Int(plain[reader + 2]) << 8 | Int(plain[reader + 3])
      if type == 0 {
        if plain[reader...].contains(where: { $0 != 0 }) { complain("bytes behind the end of the list") }
        return found
      }
      reader += 4
      guard length <= plain.count - reader else {
        complain("a section of type \(type) runs past the datagram")
        return found
      }
      let value = reader..<reader + length
      reader += length
      let number = plain[value].prefix(8).reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
      switch (type, length) {
      case (2, 0): found.append(.link)
      case (3, 0): found.append(.linkEcho)
      case (4, 0): found.append(.tear)
      case (5, 0): found.append(.tearEcho)
      case (6, 8): found.append(.ping(number))
      case (7, 8): found.append(.pingEcho(number))
      case (8, 9...): found.append(.move(offset: number, data: value.lowerBound + 8..<value.upperBound))
      case (9, 8): found.append(.moveEcho(number))
      case (10, 8): found.append(.edge(number))
      case (11, 8): found.append(.edgeEcho(number))
      default: complain("a section of type \(type) with \(length) bytes")
      }
    }
    if reader != plain.count { complain("\(plain.count - reader) bytes that are no section") }
    return found
  }

  private mutating func take(_ section: Section, _ plain: [UInt8], now: Instant) {
    switch section {
    case .link: urgent.append((.linkEcho, nil))
    case .linkEcho:
      // It may come again, as long as ours cannot know that it was heard.
      break
    case .tear:
      urgent.append((.tearEcho, nil))
      if !isOver {
        state = .torn
        unread = []
      }
    case .tearEcho: if case .tearing = state { state = .torn }
    case .ping(let number): urgent.append((.pingEcho, number))
    case .pingEcho(let number):
      let trip = Instant(nanoseconds: Int64(clamping: number) * 1000).duration(to: now)
      if trip < .zero || number > UInt64(now.nanoseconds / 1000) { complain("the echo of a ping that never was") }
      roundTrip = trip
    case .move(let offset, let data): takeMove(offset, Array(plain[data]), now: now)
    case .moveEcho(let offset):
      if offset >= sentEnd { complain("the echo of a move that never was, at \(offset)") }
      inFlight[offset] = nil
    case .edge(let number):
      if number < peerEdge, number + (64 << 20) < peerEdge {
        complain("an edge that went back from \(peerEdge) to \(number)")
      }
      peerEdge = max(peerEdge, number)
      urgent.append((.edgeEcho, number))
    case .edgeEcho(let number):
      if number > edge { complain("the echo of an edge that was never granted") }
      echoedEdge = max(echoedEdge, number)
    case .other(let type): complain("type \(type)")
    }
  }

  private mutating func takeMove(_ offset: UInt64, _ data: [UInt8], now: Instant) {
    if offset + UInt64(data.count) > edge { return complain("a move to \(offset + UInt64(data.count)) beyond \(edge)") }
    if let length = taken[offset], length != data.count {
      complain("the move at \(offset) was cut to \(length) bytes first and to \(data.count) later")
    }
    urgent.append((.moveEcho, offset))
    guard state == .linked, taken[offset] == nil else { return }
    taken[offset] = data.count
    pieces[offset] = data
    while let piece = pieces.removeValue(forKey: frontier) {
      unread += piece
      frontier += UInt64(piece.count)
    }
    if pieces.keys.contains(where: { $0 < frontier }) { complain("moves overlap before \(frontier)") }
    readAt = readAt ?? now
  }

  private mutating func complain(_ text: String) { if complaints.count < 20 { complaints.append(text) } }

  // MARK: What time brings

  mutating func wake(at now: Instant) {
    if isOver { return }
    if state != .linking, lastHeard.duration(to: now) >= Self.silence { return state = .failed("silence") }
    if case .tearing(let until) = state, now >= until { return state = .torn }
    if let at = readAt, now >= at { read(now: now) }
    if closesWhenFlushed, isFlushed, state == .linked { close(now: now) }
  }

  private mutating func read(now: Instant) {
    let count = min(unread.count, readsPerMillisecond)
    received += unread.prefix(count)
    unread = unread.dropFirst(count)
    consumed += UInt64(count)
    if edge != Self.window + consumed {
      edge = Self.window + consumed
      edgeAt = now
    }
    readAt = unread.isEmpty ? nil : now.advanced(by: .milliseconds(1))
  }

  private var retransmission: Duration { roundTrip.map { max($0 * 2, .milliseconds(10)) } ?? Self.repeats }

  // MARK: What goes

  mutating func emit(at now: Instant) -> [[UInt8]] {
    var builder = Builder(peer: self)
    switch state {
    case .failed: return []
    case .linking:
      if role == .connector, let at = linkAt, now >= at {
        linkAt = now.advanced(by: Self.repeats)
        builder.append(.link)
        builder.append(.edge, edge)
      }
    case .tearing:
      if let at = tearAt, now >= at {
        tearAt = now.advanced(by: Self.repeats)
        builder.append(.tear)
      }
    case .linked, .torn: break
    }
    for (kind, number) in urgent { builder.append(kind, number) }
    urgent = []
    if state == .linked { emitStream(&builder, now: now) }
    salt &+= 2
    return builder.finish()
  }

  private mutating func emitStream(_ builder: inout Builder, now: Instant) {
    if let at = pingAt, now >= at {
      builder.append(.ping, UInt64(now.nanoseconds / 1000))
      pingAt = now.advanced(by: Self.pingInterval)
    }
    if echoedEdge < edge, let at = edgeAt, now >= at {
      builder.append(.edge, edge)
      edgeAt = now.advanced(by: retransmission)
    }
    for (offset, move) in inFlight.sorted(by: { $0.key < $1.key })
    where move.sentAt.duration(to: now) >= retransmission {
      guard move.tries < Self.tries else { return state = .failed("32 tries of the move at \(offset)") }
      inFlight[offset] = Move(bytes: move.bytes, sentAt: now, tries: move.tries + 1)
      builder.appendMove(offset, move.bytes)
    }
    while inFlight.count < Self.flight, !unsent.isEmpty, sentEnd < peerEdge {
      let room = min(UInt64(Self.maximumDatagram - 16 - 12), peerEdge - sentEnd)
      let bytes = Array(unsent.prefix(Int(room)))
      unsent = unsent.dropFirst(bytes.count)
      inFlight[sentEnd] = Move(bytes: bytes, sentAt: now, tries: 1)
      builder.appendMove(sentEnd, bytes)
      sentEnd += UInt64(bytes.count)
    }
  }

  var due: Instant? {
    if isOver { return nil }
    var times: [Instant?] = [readAt]
    switch state {
    case .linking: times.append(role == .connector ? linkAt : nil)
    case .tearing(let until): times += [until, tearAt]
    case .linked:
      times += [lastHeard.advanced(by: Self.silence), pingAt, echoedEdge < edge ? edgeAt : nil]
      times.append(inFlight.values.map(\.sentAt).min()?.advanced(by: retransmission))
    case .torn, .failed: break
    }
    return times.compactMap(\.self).min()
  }

  /// Fills datagrams one after another.
  private struct Builder {
    private let pin: UInt32
    private let obscuring: Obscuring?
    private var salt: UInt64
    private var done: [[UInt8]] = []
    private var current: [UInt8] = []

    init(peer: ReferencePeer) { (pin, obscuring, salt) = (peer.pin, peer.obscuring, peer.salt) }

    mutating func append(_ kind: Section.Kind, _ number: UInt64? = nil) {
      open(kind, number.map { Self.bytes($0) } ?? [])
    }

    mutating func appendMove(_ offset: UInt64, _ data: [UInt8]) { open(.move, Self.bytes(offset) + data) }

    mutating func finish() -> [[UInt8]] {
      close()
      return done
    }

    private mutating func open(_ kind: Section.Kind, _ value: [UInt8]) {
      if current.count + 4 + value.count > ReferencePeer.maximumDatagram { close() }
      if current.isEmpty {
        current = [UInt8](repeating: 0, count: 8) + [9, 9, 1, 2] + Self.bytes(pin)
      }
      current += Self.bytes(kind.rawValue) + Self.bytes(UInt16(value.count)) + value
    }

    private mutating func close() {
      guard !current.isEmpty else { return }
      salt = salt &* 6_364_136_223_846_793_005 &+ 1
      if let obscuring { current.withUnsafeMutableBytes { obscuring.mask($0, salt: salt | 1) } }
      done.append(current)
      current = []
    }

    private static func bytes(_ number: some FixedWidthInteger) -> [UInt8] {
      withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }
  }
}
