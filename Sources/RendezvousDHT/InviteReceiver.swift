import Identity
import Logging
import Rendezvous

/// Listens for invites to one application, and judges them.
struct InviteReceiver: Sendable {
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

  /// How often invites are asked for besides the listen. Served from memory while the listen is in order.
  private static let askAgainEvery = Duration.seconds(60)
  /// Just after the start, when the lookup has found the closest nodes.
  private static let askFirstAfter = Duration.seconds(1)
  /// An answer is quick where the nodes that will keep it have been asked before. OpenDHT takes them for known for ten minutes.
  private static let warmEvery = Duration.seconds(8 * 60)
  /// A lookup costs some dozen datagrams: enough for those who are likely to call.
  private static let warmedPeers = 32

  /// Clocks may differ by ten minutes, and an invite may wait for a minute and be numbered a minute ahead. Replays are known by their
  /// puzzles, not by their numbers: the window only keeps out, before any RSA work, what is surely old.
  private static let window: UInt64 = 15 * 60

  /// Whether an invite with this number may be under way at `now`, in Unix seconds.
  static func isInWindow(_ id: UInt64, now: UInt64) -> Bool {
    id > now ? id - now <= window : now - id <= window
  }

  /// Runs until cancelled or the inbox is closed.
  func run(_ deliver: @escaping @Sendable (Invitation) -> Void) async {
    let key = DHTKey(recipient: own.certificateID, application: application, subject: subjects.invite)
    let listener = node.listen(key) { inbox.deliver($0) }
    defer { listener?.cancel() }
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await judgeAll(deliver) }
      group.addTask { await askAgain(key) }
      group.addTask { await warm() }
      await group.next()
      group.cancelAll()
    }
  }

  private func askAgain(_ key: DHTKey) async {
    var pause = Self.askFirstAfter
    while (try? await Task.sleep(for: pause)) != nil {
      node.get(key) { inbox.deliver($0) }
      pause = Self.askAgainEvery
    }
  }

  private func warm() async {
    repeat {
      for peer in directory.all().prefix(Self.warmedPeers) {
        node.warm(DHTKey(recipient: peer.certificateID, application: application, subject: subjects.accept))
      }
    } while (try? await Task.sleep(for: Self.warmEvery)) != nil
  }

  private func judgeAll(_ deliver: @escaping @Sendable (Invitation) -> Void) async {
    var seen = SeenDigests()
    var budget = OpeningBudget()
    await inbox.forEach { value, owner in
      do throws(DropReason) {
        if let invitation = try judge(value, from: owner, seen: &seen, budget: &budget) { deliver(invitation) }
      } catch {
        logger.drop(value, error)
      }
      return !Task.isCancelled
    }
  }

  /// The invitation in a value; nil for one that was judged before.
  private func judge(
    _ value: SealedValue, from owner: CertificateID, seen: inout SeenDigests, budget: inout OpeningBudget
  ) throws(DropReason) -> Invitation? {
    guard Self.isInWindow(value.id, now: unixSeconds()) else { throw .idOutOfWindow }
    guard owner != own.certificateID, let peer = directory.peer(owner) else { throw .unknownOwner }
    guard !seen.contains(value.digest) else { return nil }
    // Not seen yet, if there is no time for it now: its next repeat gets another chance.
    guard budget.take(for: owner, at: .now) else { throw .tooMany }
    _ = seen.insert(value.digest)
    let line = try sealer.open(value)
    let reference: Reference
    do throws(ReferenceError) { reference = try Reference(line: line) } catch { throw .malformed(error.description) }
    guard memory.isNew(reference.puzzle, of: owner, logger: logger) else { throw .replay }
    return Invitation(peer: peer, application: application, id: value.id, reference: reference)
  }
}

/// How many values of one owner may be decrypted: 2 ms each, so a flood from one peer takes at most 5 % of a core. A peer that
/// connects again and again, ten times a second, stays below.
struct OpeningBudget {
  private static let atOnce = 64
  private static let perSecond = 25

  private var levels: [CertificateID: (tokens: Double, at: ContinuousClock.Instant)] = [:]

  mutating func take(for owner: CertificateID, at now: ContinuousClock.Instant) -> Bool {
    let last = levels[owner] ?? (Double(Self.atOnce), now)
    let passed = last.at.duration(to: now) / .seconds(1)
    let tokens = min(Double(Self.atOnce), last.tokens + passed * Double(Self.perSecond))
    guard tokens >= 1 else { return false }
    // Only owners whom the repository knows come here, so their number is bounded.
    levels[owner] = (tokens - 1, now)
    return true
  }
}
