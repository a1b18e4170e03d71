import Crypto
import Identity
import Logging
import Rendezvous
import Synchronization

/// One invite on its way: puts it until it is answered, and judges the answers.
struct InviteAttempt: Sendable {
  let peer: PeerIdentity
  let reference: Reference
  let node: DHTNode
  let desk: AnswerDesk
  let inbox: ValueInbox
  let sealer: Sealer
  let memory: ReplayMemory
  /// Where the peer looks for invites.
  let key: DHTKey
  let logger: Logger
  let firstID: UInt64
  /// Gives a number for the invite to go under from the one given on.
  let nextID: @Sendable (_ wanted: UInt64) throws -> UInt64

  /// When the answer is asked for besides the listen: in vain in all but a few cases. Where many answers of the last ten
  /// minutes lie under our key, nodes were seen to show a new one a second late or not at all, and asking by number gets it
  /// in a round trip. So soon at first, for 0.2 s is the round trip of distant continents, then seldom.
  private static let askAgainAfter: [Duration] = [
    .milliseconds(200), .milliseconds(300), .milliseconds(500), .seconds(1),
  ]
  private static let askAgainEvery = Duration.seconds(3)
  /// Somebody else's value has our number. Each try takes another at random; more than a few mean that somebody does it on purpose.
  private static let numbersAtMost = 5

  /// Runs until answered; nil when the inbox was closed. The caller bounds the time by cancelling.
  func run() async throws -> Answer? {
    let value = try sealer.seal(reference.line, to: peer, id: firstID)
    desk.register(inbox, for: firstID)
    defer { desk.unregister(inbox) }
    return try await withThrowingTaskGroup(of: Answer?.self) { group in
      group.addTask {
        try await send(value)
        // The plan is done: from here on it is waited for.
        try await Task.sleep(for: .seconds(24 * 3600))
        return nil
      }
      group.addTask { await receive() }
      group.addTask {
        for pause in Self.askAgainAfter {
          try await Task.sleep(for: pause)
          desk.askAgain(for: inbox)
        }
        while true {
          try await Task.sleep(for: Self.askAgainEvery)
          desk.askAgain(for: inbox)
        }
      }
      defer { group.cancelAll() }
      return try await group.next() ?? nil
    }
  }

  // MARK: Sending

  private func send(_ first: SealedValue) async throws {
    let start = ContinuousClock.now
    var value = first
    for step in PutPlan.steps {
      try await Task.sleep(until: start + step.after, clock: .continuous)
      // Another object, so that OpenDHT sends it also to nodes whose reply to the last one is still awaited.
      if step.after > .zero { value = try sealer.reseal(value, id: value.id, edition: step.edition) }
      if step.after == .zero { value = try await putUnderOwnNumber(value) } else { node.put(value, at: key) }
    }
    try await Task.sleep(until: start + PutPlan.laterIDAfter, clock: .continuous)
    let later = try sealer.reseal(first, id: nextID(value.id &+ PutPlan.laterIDBy), edition: 0)
    logger.debug(
      "unanswered: the invite goes under a later number as well",
      metadata: ["event": "dht.invite-later-number", "id": "\(later.id)"])
    desk.register(inbox, for: later.id)
    node.put(later, at: key)
  }

  /// Puts the value, and again under another number if somebody else's value has that one: nodes keep the first.
  private func putUnderOwnNumber(_ first: SealedValue) async throws -> SealedValue {
    var value = first
    for _ in 1..<Self.numbersAtMost {
      await withCheckedContinuation { continuation in
        let once = Once { continuation.resume() }
        node.put(value, at: key) { _ in once() }
      }
      guard await isTaken(value) else { return value }
      try Task.checkCancellation()
      // An answer to that number is not meant for us.
      desk.unregister(inbox)
      value = try sealer.reseal(value, id: nextID(value.id &+ .random(in: 1...InviteNumbers.spread)), edition: 0)
      logger.debug(
        "the number of the invite was taken: using another",
        metadata: ["event": "dht.invite-renumbered", "id": "\(value.id)"])
      desk.register(inbox, for: value.id)
    }
    node.put(value, at: key)
    return value
  }

  /// Whether the DHT holds a value under our number that is not ours.
  private func isTaken(_ value: SealedValue) async -> Bool {
    let ours = value.digest
    return await withCheckedContinuation { continuation in
      let finding = Finding()
      let once = Once { continuation.resume(returning: finding.isTaken) }
      node.get(key, id: value.id) { found in
        if found.id == value.id, found.digest != ours { finding.note() }
      } done: {
        once()
      }
    }
  }

  // MARK: Receiving

  private func receive() async -> Answer? {
    var answer: Answer?
    var seen = SeenDigests()
    await inbox.forEach { value, owner in
      do throws(DropReason) {
        answer = try judge(value, from: owner, seen: &seen)
      } catch {
        logger.drop(value, error)
      }
      return answer == nil
    }
    return answer
  }

  private func judge(
    _ value: SealedValue, from owner: CertificateID, seen: inout SeenDigests
  ) throws(DropReason) -> Answer? {
    guard owner == peer.certificateID else { throw .notFromPeer }
    guard seen.insert(value.digest) else { return nil }
    let line = try sealer.open(value)
    if let notice = DeclineNotice(line: line) {
      guard notice.puzzle == reference.puzzle else { throw .malformed("it declines another invite") }
      return .decline(notice.reason)
    }
    let accepted: Reference
    do throws(ReferenceError) { accepted = try Reference(line: line) } catch { throw .malformed(error.description) }
    guard memory.isNew(accepted.puzzle, of: owner, logger: logger) else { throw .replay }
    return .accept(accepted)
  }
}

/// What callbacks on OpenDHT's thread have found.
private final class Finding: Sendable {
  private let taken = Mutex(false)
  var isTaken: Bool { taken.withLock { $0 } }
  func note() { taken.withLock { $0 = true } }
}

extension ReplayMemory {
  /// Remembers a puzzle. A state file that fails is worth a warning, but no reason to refuse a peer.
  func isNew(_ puzzle: UInt64, of peer: CertificateID, logger: Logger) -> Bool {
    do {
      return try insert(puzzle: puzzle, of: peer)
    } catch {
      logger.warning(
        "replays are not remembered past this process",
        metadata: ["event": "replay.memory-failed", "reason": "\(error)"])
      return true
    }
  }
}
