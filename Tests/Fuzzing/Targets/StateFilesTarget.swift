import FoundationEssentials
import Glibc

@testable import Identity
@testable import Plexus
@testable import Rendezvous

/// Whatever the state files hold, a puzzle is new once, and numbers go up and stay near the clock.
func fuzzStateFiles(_ input: [UInt8]) throws {
  let folder = try StateFolder()
  defer { folder.remove() }
  var input = FuzzInput(input)
  let now: UInt64 = 1_800_000_000
  let puzzle = input.integer(UInt64.self)
  let id = FuzzKeys.own.identity.certificateID

  try folder.write(input.bytes(), to: "numbers-\(id)")
  let numbers = try InviteNumbers(folder: folder.path, own: id)
  let first = try numbers.take(atLeast: now, now: now)
  try demand((now...now + 3601).contains(first), "the number \(first) at \(now)")
  let second = try InviteNumbers(folder: folder.path, own: id).take(atLeast: now, now: now)
  // A number further ahead than an hour is of a wrong clock: then it starts over.
  try demand(second == (first > now + 3600 ? now : first + 1), "\(second) follows \(first)")

  try folder.write(input.bytes(), to: "failures-\(id)")
  let failures = FailureMemory(folder: folder.path, own: id)
  let entries = failures.entries()
  failures.add(
    FailedPassage(
      PlexusError(.other, "x"), with: FuzzKeys.own.identity.name, as: .inviting, at: Date(timeIntervalSince1970: 0)))
  let kept = entries.suffix(FailureMemory.maximumEntries - 1)
  try demand(failures.entries().dropLast() == kept, "failures were forgotten, or made up")

  try folder.write(input.remainder(), to: "seen-\(id)")
  let memory = try ReplayMemory(folder: folder.path, own: id)
  _ = try memory.insert(puzzle: puzzle, of: id)
  try demand(try !memory.insert(puzzle: puzzle, of: id), "a puzzle was new twice")
  let reopened = try ReplayMemory(folder: folder.path, own: id)
  try demand(try !reopened.insert(puzzle: puzzle, of: id), "a puzzle was forgotten over a restart")
  try demand(
    try reopened.insert(puzzle: ~puzzle, of: id) != memory.insert(puzzle: ~puzzle, of: id), "two processes differ")
}

/// A folder of this process, in memory where there is such a file system.
private struct StateFolder {
  let path: String

  init() throws {
    let parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
    var template = Array("\(parent)/plexus-fuzz-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Violation(description: "there is no place for temporary files") }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  func write(_ bytes: [UInt8], to name: String) throws {
    guard let file = fopen("\(path)/\(name)", "w") else { throw Violation(description: "cannot write \(name)") }
    defer { fclose(file) }
    fwrite(bytes, 1, bytes.count, file)
  }

  func remove() {
    for kind in ["numbers", "failures", "seen"] { unlink("\(path)/\(kind)-\(FuzzKeys.own.identity.certificateID)") }
    rmdir(path)
  }
}
