import Crypto
import Identity
import Synchronization

/// Remembers the puzzles that each peer has sent, so that an old message put again is known for what it is.
///
/// The signature of a message covers neither its number nor its place: whoever reads the DHT can put it again. What is seen
/// only in memory is forgotten with a restart, so it can be kept in a file as well, which all processes of one identity share.
///
/// Only truncated hashes are kept. Per peer and in all the newest are kept, so a peer can make us forget only what it sent itself.
public final class ReplayMemory: Sendable {
  /// How many puzzles are remembered of one peer: more than it can need in a year of an invite every two hours.
  public static let puzzlesPerPeer = 4096
  /// How many puzzles are remembered in all; 24 bytes each, so 1.5 MB.
  public static let puzzlesInAll = 65_536

  private struct State: ~Copyable {
    var book = ReplayBook(perPeer: puzzlesPerPeer, inAll: puzzlesInAll)
    var file: ReplayFile?
  }

  private let state: Mutex<State>

  /// A memory that ends with the process.
  public init() {
    state = Mutex(State(file: nil))
  }

  /// A memory in the file `seen-ID` of `folder`, where ID is the certificate id of the own identity.
  ///
  /// The folder is made (mode 0700) if it is missing; the file has mode 0600. A file that is damaged or cut short keeps what is whole.
  ///
  /// - Throws: ``RendezvousError`` with code `stateUnusable`.
  public init(folder: String, own: CertificateID) throws {
    let file = try ReplayFile(folder: folder, name: "seen-\(own)")
    state = Mutex(State(file: file))
    _ = try state.withLock { state in
      try state.file?.exchange(with: &state.book, adding: nil)
    }
  }

  /// Remembers a puzzle of `peer`.
  ///
  /// - Returns: false when it was seen before, by this process or by another that shares the file.
  /// - Throws: ``RendezvousError`` with code `stateUnusable` when the file cannot be used; the puzzle is then remembered in
  ///   memory, and the return value would have been true.
  public func insert(puzzle: UInt64, of peer: CertificateID) throws -> Bool {
    let record = ReplayRecord(peer: peer, puzzle: puzzle)
    return try state.withLock { state in
      if state.book.contains(record) { return false }
      guard state.file != nil else {
        state.book.insert(record)
        return true
      }
      do {
        return try state.file?.exchange(with: &state.book, adding: record) ?? true
      } catch {
        state.book.insert(record)
        throw error
      }
    }
  }
}

/// One puzzle of one peer: eight bytes that stand for the peer, sixteen that stand for peer and puzzle.
struct ReplayRecord: Hashable {
  static let length = 24

  let peer: UInt64
  let high: UInt64
  let low: UInt64

  init(peer: CertificateID, puzzle: UInt64) {
    let ofPeer = Array(SHA256.hash(data: peer.bytes))
    let ofBoth = Array(SHA256.hash(data: peer.bytes + withUnsafeBytes(of: puzzle.bigEndian, Array.init)))
    self.peer = Self.number(ofPeer[0..<8])
    high = Self.number(ofBoth[0..<8])
    low = Self.number(ofBoth[8..<16])
  }

  /// Reads the bytes of a record; nil unless there are exactly as many as one has.
  init?(bytes: ArraySlice<UInt8>) {
    guard bytes.count == Self.length else { return nil }
    peer = Self.number(bytes.prefix(8))
    high = Self.number(bytes.dropFirst(8).prefix(8))
    low = Self.number(bytes.suffix(8))
  }

  var bytes: [UInt8] {
    [peer, high, low].flatMap { number in withUnsafeBytes(of: number.bigEndian) { Array($0) } }
  }

  private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
}

/// The records in the order in which they came, the newest of each peer and of all.
struct ReplayBook {
  let perPeer: Int
  let inAll: Int
  private(set) var records: [ReplayRecord] = []
  private var known: Set<ReplayRecord> = []
  private var countOfPeer: [UInt64: Int] = [:]
  /// Whether records were forgotten since the file was last written anew.
  private(set) var hasForgotten = false

  init(perPeer: Int, inAll: Int) {
    self.perPeer = perPeer
    self.inAll = inAll
  }

  func contains(_ record: ReplayRecord) -> Bool { known.contains(record) }

  mutating func insert(_ record: ReplayRecord) {
    guard known.insert(record).inserted else { return }
    records.append(record)
    countOfPeer[record.peer, default: 0] += 1
    if countOfPeer[record.peer, default: 0] > perPeer || records.count > inAll { forget() }
  }

  /// Starts over, as the file says.
  mutating func replace(with records: [ReplayRecord]) {
    self = ReplayBook(perPeer: perPeer, inAll: inAll)
    for record in records { insert(record) }
  }

  mutating func noteWritten() { hasForgotten = false }

  /// Keeps the newest half of what the bounds allow, so that this is not needed again soon.
  private mutating func forget() {
    var kept: [ReplayRecord] = []
    var counts: [UInt64: Int] = [:]
    for record in records.reversed() where kept.count < max(1, inAll / 2) {
      // A peer that is within its bound loses nothing for the sake of one that is not.
      let isOver = countOfPeer[record.peer, default: 0] > perPeer
      guard !isOver || counts[record.peer, default: 0] < max(1, perPeer / 2) else { continue }
      counts[record.peer, default: 0] += 1
      kept.append(record)
    }
    records = kept.reversed()
    known = Set(records)
    countOfPeer = counts
    hasForgotten = true
  }
}
