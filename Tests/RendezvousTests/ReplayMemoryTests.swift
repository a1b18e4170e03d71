import FoundationEssentials
import Glibc
import Identity
import Testing

@testable import Rendezvous
@testable import RendezvousDHT

@Suite("The memory for replays")
struct ReplayMemoryTests {
  private let ann = CertificateID(bytes: Array(repeating: 1, count: 20))
  private let bob = CertificateID(bytes: Array(repeating: 2, count: 20))

  @Test("A puzzle counts once for each peer")
  func once() throws {
    let (ann, bob) = try (#require(ann), #require(bob))
    let memory = ReplayMemory()
    #expect(try memory.insert(puzzle: 1, of: ann))
    #expect(try !memory.insert(puzzle: 1, of: ann))
    #expect(try memory.insert(puzzle: 1, of: bob))
    #expect(try memory.insert(puzzle: 2, of: ann))
  }

  @Test("What was seen is known after a restart, and to others who share the file")
  func restart() async throws {
    let ann = try #require(ann)
    try await withTemporaryFolder { folder in
      let first = try ReplayMemory(folder: "\(folder)/deep/er", own: ann)
      let second = try ReplayMemory(folder: "\(folder)/deep/er", own: ann)
      #expect(try first.insert(puzzle: 1, of: ann))
      #expect(try !second.insert(puzzle: 1, of: ann))
      #expect(try second.insert(puzzle: 2, of: ann))
      #expect(try !first.insert(puzzle: 2, of: ann))
      let third = try ReplayMemory(folder: "\(folder)/deep/er", own: ann)
      #expect(try !third.insert(puzzle: 2, of: ann))
    }
  }

  @Test("The file is for its owner alone, and shows neither peers nor puzzles")
  func privacy() async throws {
    let ann = try #require(ann)
    try await withTemporaryFolder { folder in
      let memory = try ReplayMemory(folder: folder, own: ann)
      #expect(try memory.insert(puzzle: 0x0102_0304_0506_0708, of: ann))
      let path = "\(folder)/seen-\(ann)"
      var status = stat()
      #expect(stat(path, &status) == 0)
      #expect(status.st_mode & 0o777 == 0o600)
      let bytes = try Array(Data(contentsOf: URL(filePath: path)))
      #expect(bytes.count == 8 + 24)
      #expect(!bytes.contains(subsequence: [1, 2, 3, 4, 5, 6, 7, 8]))
      #expect(!bytes.contains(subsequence: [8, 7, 6, 5, 4, 3, 2, 1]))
      #expect(!bytes.contains(subsequence: ann.bytes))
    }
  }

  @Test("A file that was cut short or spoilt is used as far as it is whole", arguments: [0, 3, 8, 20, 40, 56])
  func damage(_ length: Int) async throws {
    let ann = try #require(ann)
    try await withTemporaryFolder { folder in
      let path = "\(folder)/seen-\(ann)"
      do {
        let memory = try ReplayMemory(folder: folder, own: ann)
        for puzzle in 1...2 as ClosedRange<UInt64> { _ = try memory.insert(puzzle: puzzle, of: ann) }
      }
      #expect(truncate(path, off_t(length)) == 0)
      let memory = try ReplayMemory(folder: folder, own: ann)
      #expect(try memory.insert(puzzle: 1, of: ann) == (length < 32))
      #expect(try memory.insert(puzzle: 2, of: ann) == (length < 56))
      #expect(try memory.insert(puzzle: 3, of: ann))
      let again = try ReplayMemory(folder: folder, own: ann)
      for puzzle in 1...3 as ClosedRange<UInt64> { #expect(try !again.insert(puzzle: puzzle, of: ann)) }
    }
  }

  @Test("A file of something else is started over")
  func foreignFile() async throws {
    let ann = try #require(ann)
    try await withTemporaryFolder { folder in
      try Data("not ours at all, whatever it is".utf8).write(to: URL(filePath: "\(folder)/seen-\(ann)"))
      let memory = try ReplayMemory(folder: folder, own: ann)
      #expect(try memory.insert(puzzle: 1, of: ann))
      #expect(try !ReplayMemory(folder: folder, own: ann).insert(puzzle: 1, of: ann))
    }
  }

  @Test("A folder that cannot be made is a sentence with its path")
  func unusableFolder() throws {
    let ann = try #require(ann)
    let error = #expect(throws: RendezvousError.self) { try ReplayMemory(folder: "/dev/null/x", own: ann) }
    #expect(error?.code == .stateUnusable)
    #expect(error?.description.contains("/dev/null") == true)
  }

  @Test("Each peer has room of its own, and the newest are kept")
  func bounds() throws {
    let (ann, bob) = try (#require(ann), #require(bob))
    var book = ReplayBook(perPeer: 8, inAll: 16)
    let kept = ReplayRecord(peer: bob, puzzle: 0)
    book.insert(kept)
    for puzzle in 0..<1000 as Range<UInt64> { book.insert(ReplayRecord(peer: ann, puzzle: puzzle)) }
    #expect(book.records.count <= 9)
    #expect(book.contains(kept))
    #expect(book.contains(ReplayRecord(peer: ann, puzzle: 999)))
    #expect(!book.contains(ReplayRecord(peer: ann, puzzle: 0)))
  }

  @Test("A full file is written anew, and others go on with the new one")
  func rewriting() async throws {
    let ann = try #require(ann)
    try await withTemporaryFolder { folder in
      let writer = try ReplayMemory(folder: folder, own: ann)
      let other = try ReplayMemory(folder: folder, own: ann)
      let last = UInt64(ReplayMemory.puzzlesPerPeer) + 10
      for puzzle in 0...last { #expect(try writer.insert(puzzle: puzzle, of: ann)) }
      #expect(try !other.insert(puzzle: last, of: ann))
      #expect(try other.insert(puzzle: last + 1, of: ann))
      #expect(try !writer.insert(puzzle: last + 1, of: ann))
    }
  }
}

@Suite("The numbers of invites")
struct InviteNumbersTests {
  private let ann = CertificateID(bytes: Array(repeating: 1, count: 20))
  private let bob = CertificateID(bytes: Array(repeating: 2, count: 20))

  @Test("They never repeat, grow, and stay near the clock")
  func grow() throws {
    let (ann, bob) = try (#require(ann), #require(bob))
    let numbers = InviteNumbers()
    var last: UInt64 = 0
    for _ in 0..<10 {
      let number = try numbers.next(from: ann, to: bob, now: 1_000_000)
      #expect(number > last)
      #expect(1_000_000...1_000_000 + InviteNumbers.spread + 10 ~= number)
      last = number
    }
  }

  @Test("Peers that are not there may be invited for an hour, and the next invite is still taken for a present one")
  func unanswered() async throws {
    let (ann, bob) = try (#require(ann), #require(bob))
    try await withTemporaryFolder { folder in
      var now: UInt64 = 1_000_000
      for _ in 0..<60 {
        let numbers = try InviteNumbers(folder: folder, own: ann)
        let number = try numbers.next(from: ann, to: bob, now: now)
        for clock in [now - 600, now, now + 600] { #expect(InviteReceiver.isInWindow(number, now: clock)) }
        now += 15
        let later = try numbers.later(now: now)
        #expect(later > number && later >= now + 600)
        for clock in [now - 600, now, now + 600] { #expect(InviteReceiver.isInWindow(later, now: clock)) }
        now += 45
      }
      #expect(try InviteNumbers(folder: folder, own: ann).next(from: ann, to: bob, now: now) <= now + 720)
    }
  }

  @Test("Processes of one identity share them by a file")
  func shared() async throws {
    let (ann, bob) = try (#require(ann), #require(bob))
    try await withTemporaryFolder { folder in
      let numbers = try (0..<4).map { _ in try InviteNumbers(folder: folder, own: ann) }
      let all = try (0..<40).map { try numbers[$0 % 4].next(from: ann, to: bob, now: 1_000_000) }
      #expect(Set(all).count == all.count)
      #expect(all == all.sorted())
      // A clock that was wrong once does not decide for ever.
      _ = try numbers[0].next(from: ann, to: bob, now: 9_000_000)
      #expect(try InviteNumbers(folder: folder, own: ann).next(from: ann, to: bob, now: 1_000_000) < 1_001_000)
      // Nor in the process that took numbers by it.
      let alone = InviteNumbers()
      _ = try alone.next(from: ann, to: bob, now: 9_000_000)
      for again in [numbers[0], alone] {
        #expect(try again.next(from: ann, to: bob, now: 1_000_000) < 1_001_000)
      }
    }
  }
}

extension Array where Element == UInt8 {
  fileprivate func contains(subsequence: [UInt8]) -> Bool {
    guard count >= subsequence.count else { return false }
    return (0...count - subsequence.count).contains { Array(self[$0..<$0 + subsequence.count]) == subsequence }
  }
}
