import Identity
import Logging
import Rendezvous

/// Listens for presence notices for one application, and judges them.
struct AdventReceiver: Sendable {
  let own: PeerIdentity
  let application: String
  let subjects: MessageSubjects
  let directory: PeerDirectory
  let node: DHTNode
  let sealer: Sealer
  let memory: ReplayMemory
  let unixSeconds: @Sendable () -> UInt64
  let logger: Logger
  let inbox: ValueInbox

  /// Nobody waits for the answer to a notice, so a listen that failed may be noticed late.
  private static let askAgainEvery = Duration.seconds(120)

  /// Runs until cancelled or the inbox is closed.
  func run(_ deliver: @escaping @Sendable (Advent) -> Void) async {
    let key = DHTKey(recipient: own.certificateID, application: application, subject: subjects.advent)
    let listener = node.listen(key) { inbox.deliver($0) }
    defer { listener?.cancel() }
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await judgeAll(deliver) }
      group.addTask {
        repeat { node.get(key) { inbox.deliver($0) } } while (try? await Task.sleep(for: Self.askAgainEvery)) != nil
      }
      await group.next()
      group.cancelAll()
    }
  }

  private func judgeAll(_ deliver: @escaping @Sendable (Advent) -> Void) async {
    var seen = SeenDigests()
    var budget = OpeningBudget()
    await inbox.forEach { value, owner in
      do throws(DropReason) {
        if let advent = try judge(value, from: owner, seen: &seen, budget: &budget) { deliver(advent) }
      } catch {
        logger.drop(value, error)
      }
      return !Task.isCancelled
    }
  }

  /// The notice in a value; nil for one that was judged before.
  private func judge(
    _ value: SealedValue, from owner: CertificateID, seen: inout SeenDigests, budget: inout OpeningBudget
  ) throws(DropReason) -> Advent? {
    guard InviteReceiver.isInWindow(value.id, now: unixSeconds()) else { throw .idOutOfWindow }
    guard owner != own.certificateID, let peer = directory.peer(owner) else { throw .unknownOwner }
    guard !seen.contains(value.digest) else { return nil }
    guard budget.take(for: owner, at: .now) else { throw .tooMany }
    _ = seen.insert(value.digest)
    guard AdventNotice.isNotice(try sealer.open(value)) else { throw .malformed("it is no presence notice") }
    // The encryption is random and signed, so each notice has other bytes, and a replayed one has the same.
    guard memory.isNew(message: value.digest, of: owner, logger: logger) else { throw .replay }
    return Advent(peer: peer, application: application)
  }
}
