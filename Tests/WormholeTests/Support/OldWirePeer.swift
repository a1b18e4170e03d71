/// A wormhole of the old wire, written from the description of that wire alone: nothing of ours is in it.
struct OldWirePeer {
  enum Role { case importer, exporter }

  enum Event: Equatable {
    case opened(UInt32)
    case data(UInt32, [UInt8])
    case closed(UInt32)
  }

  let role: Role
  /// What goes into the tunnel.
  private(set) var output: [UInt8] = []
  private(set) var open: Set<UInt32> = []
  /// Bytes for ids that nobody knows.
  private(set) var dropped = 0
  private var input: [UInt8] = []
  private var next: UInt32 = 0

  init(_ role: Role) { self.role = role }

  mutating func takeOutput() -> [UInt8] {
    defer { output = [] }
    return output
  }

  /// A client came.
  mutating func openStream() -> UInt32 {
    defer { next += 1 }
    open.insert(next)
    writeFrame(next, [])
    return next
  }

  mutating func send(_ bytes: [UInt8], on id: UInt32) {
    if open.contains(id), !bytes.isEmpty { writeFrame(id, bytes) }
  }

  mutating func close(_ id: UInt32) {
    if open.remove(id) != nil { writeFrame(id, []) }
  }

  mutating func receive(_ bytes: some Collection<UInt8>) -> [Event] {
    input += bytes
    var events: [Event] = []
    var start = 0
    while input.count - start >= 8 {
      let id = number(at: start)
      let length = Int(number(at: start + 4))
      guard input.count - start - 8 >= length else { break }
      let payload = Array(input[start + 8..<start + 8 + length])
      start += 8 + length
      if let event = take(id, payload) { events.append(event) }
    }
    input.removeFirst(start)
    return events
  }

  private mutating func take(_ id: UInt32, _ payload: [UInt8]) -> Event? {
    guard payload.isEmpty else {
      if open.contains(id) { return .data(id, payload) }
      dropped += payload.count
      return nil
    }
    if role == .exporter, id == next {
      next += 1
      open.insert(id)
      return .opened(id)
    }
    return open.remove(id) == nil ? nil : .closed(id)
  }

  private func number(at index: Int) -> UInt32 { input[index..<index + 4].reduce(0) { $0 << 8 | UInt32($1) } }

  private mutating func writeFrame(_ id: UInt32, _ payload: [UInt8]) {
    for number in [id, UInt32(payload.count)] {
      output += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) }
    }
    output += payload
  }
}
