import Datagrams
import Identity
import Logging
import Rendezvous
import Synchronization

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

  /// Clocks may differ by ten minutes, and an invite may wait for a minute. Replays are known by their puzzles, not by their numbers: the
  /// window only keeps out, before any RSA work, what is surely old.
  private static let window: UInt64 = 15 * 60

  /// Whether an invite with this number may be under way at `now`, in Unix seconds. Numbers get ahead of the inviter's clock where many are
  /// taken.
  static func isInWindow(_ id: UInt64, now: UInt64) -> Bool {
    id > now ? id - now <= window + InviteNumbers.furthestAhead : now - id <= window
  }

  /// A line that says that a companion is coming waits this long for it. Both are put at the same time, and again after 0.15, 0.5 and
  /// 1.5 s; then the line alone must do.
  private static let patience = Duration.seconds(2)

  /// Runs until cancelled or the inbox is closed.
  func run(_ deliver: @escaping @Sendable (Invitation) -> Void) async {
    let keys = [subjects.invite, subjects.companion(of: subjects.invite)].map { subject in
      DHTKey(recipient: own.certificateID, application: application, subject: subject)
    }
    let listeners = keys.map { node.listen($0) { inbox.deliver($0) } }
    defer { for listener in listeners { listener?.cancel() } }
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await judgeAll(deliver) }
      group.addTask { await askAgain(keys) }
      group.addTask { await warm() }
      await group.next()
      group.cancelAll()
    }
  }

  private func askAgain(_ keys: [DHTKey]) async {
    var pause = Self.askFirstAfter
    while (try? await Task.sleep(for: pause)) != nil {
      for key in keys { node.get(key) { inbox.deliver($0) } }
      pause = Self.askAgainEvery
    }
  }

  private func warm() async {
    repeat {
      for peer in directory.all().prefix(Self.warmedPeers) {
        for subject in [subjects.accept, subjects.companion(of: subjects.accept)] {
          node.warm(DHTKey(recipient: peer.certificateID, application: application, subject: subject))
        }
      }
    } while (try? await Task.sleep(for: Self.warmEvery)) != nil
  }

  private func judgeAll(_ deliver: @escaping @Sendable (Invitation) -> Void) async {
    var seen = SeenDigests()
    var budget = OpeningBudget()
    let held = HeldInvitations()
    await withDiscardingTaskGroup { group in
      await inbox.forEach { value, owner in
        do throws(DropReason) {
          guard let invitation = try judge(value, from: owner, seen: &seen, budget: &budget, held: held) else {
            return !Task.isCancelled
          }
          if invitation.reference.supplement == .missing {
            held.hold(invitation)
            group.addTask {
              try? await Task.sleep(for: Self.patience)
              if let invitation = held.release(invitation.peer.certificateID, invitation.reference) {
                deliver(invitation)
              }
            }
          } else {
            deliver(invitation)
          }
        } catch {
          logger.drop(value, error)
        }
        return !Task.isCancelled
      }
      group.cancelAll()
    }
  }

  /// The invitation in a value; nil for one that was judged before.
  private func judge(
    _ value: SealedValue, from owner: CertificateID, seen: inout SeenDigests, budget: inout OpeningBudget,
    held: HeldInvitations
  ) throws(DropReason) -> Invitation? {
    guard Self.isInWindow(value.id, now: unixSeconds()) else { throw .idOutOfWindow }
    guard owner != own.certificateID, let peer = directory.peer(owner) else { throw .unknownOwner }
    guard !seen.contains(value.digest) else { return nil }
    // Not seen yet, if there is no time for it now: its next repeat gets another chance.
    guard budget.take(for: owner, at: .now) else { throw .tooMany }
    _ = seen.insert(value.digest)
    let text = try sealer.open(value)
    let reference = try reference(in: text, from: peer, id: value.id)
    // A companion whose line is held was not seen before in this form.
    let isAwaited = reference.supplement.text != nil && held.release(owner, reference) != nil
    guard isAwaited || memory.isNew(reference.puzzle, of: owner, logger: logger) else { throw .replay }
    return Invitation(peer: peer, application: application, id: value.id, reference: reference)
  }

  private func reference(in text: String, from peer: PeerIdentity, id: UInt64) throws(DropReason) -> Reference {
    guard CompanionMessage.isCompanion(text) else {
      do throws(ReferenceError) { return try Reference(line: text) } catch { throw .malformed(error.description) }
    }
    do throws(CompanionError) {
      return try CompanionMessage(
        text: text, kind: .invite,
        binding: CompanionMessage.Binding(
          sender: peer.certificateID, recipient: own.certificateID, application: application, invite: id),
        now: unixSeconds()
      ).reference
    } catch {
      throw .malformed(error.description)
    }
  }
}

/// Invitations whose line is there and whose companion is not yet. Each waits for two seconds, and a peer gets 50 values a second opened.
private final class HeldInvitations: Sendable {
  private struct Key: Hashable {
    let owner: CertificateID
    let puzzle: UInt64
    let endpoint: Endpoint
  }

  private let waiting = Mutex<[Key: Invitation]>([:])

  func hold(_ invitation: Invitation) {
    waiting.withLock { $0[key(invitation.peer.certificateID, invitation.reference)] = invitation }
  }

  /// Ends the wait for the companion of a reference; nil when it does not wait.
  func release(_ owner: CertificateID, _ reference: Reference) -> Invitation? {
    waiting.withLock { $0.removeValue(forKey: key(owner, reference)) }
  }

  private func key(_ owner: CertificateID, _ reference: Reference) -> Key {
    Key(owner: owner, puzzle: reference.puzzle, endpoint: reference.endpoint)
  }
}

/// How many values of one owner may be decrypted: 2 ms each, so a flood from one peer takes at most 10 % of a core. A peer that
/// connects again and again, twenty times a second with two values each, stays below.
struct OpeningBudget {
  private static let atOnce = 128
  private static let perSecond = 50

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
