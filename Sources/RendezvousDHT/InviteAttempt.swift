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
  /// Where it looks for their companions, if it knows of them.
  let companionKey: DHTKey
  /// Whom companions are from and for, and when.
  let own: CertificateID
  let application: String
  let unixSeconds: @Sendable () -> UInt64
  let logger: Logger
  let firstID: UInt64
  /// Gives other numbers for the invite to go under.
  let numbers: InviteNumbers
  /// Numbers that somebody else's values have.
  private let abandoned = AbandonedNumbers()

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
      if reference.supplement.text != nil { group.addTask { try await sendCompanion() } }
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

  /// Puts the invite and repeats it by the plan. That the number is ours is checked beside it: the check waits for nodes that
  /// may never reply, and nothing else may wait for it.
  private func send(_ first: SealedValue) async throws {
    let start = ContinuousClock.now
    let current = CurrentValue(first)
    try await withThrowingTaskGroup { group in
      group.addTask { try await putUnderOwnNumber(current) }
      for step in PutPlan.steps where step.after > .zero {
        try await Task.sleep(until: start + step.after, clock: .continuous)
        // Another object, so that OpenDHT sends it also to nodes whose reply to the last one is still awaited.
        let again = try current.value.withLock { value in
          value = try sealer.reseal(value, id: value.id, edition: step.edition)
          return value
        }
        node.put(again, at: key)
      }
      try await group.waitForAll()
    }
    try await Task.sleep(until: start + PutPlan.laterIDAfter, clock: .continuous)
    let later = try sealer.reseal(
      first, id: numbers.later(now: unixSeconds()), edition: 0)
    logger.debug(
      "unanswered: the invite goes under a later number as well",
      metadata: ["event": "dht.invite-later-number", "id": "\(later.id)"])
    desk.register(inbox, for: later.id)
    node.put(later, at: key)
  }

  /// Puts the companion under the first number. Whoever takes that number, or a later one is needed: what the line says will do.
  private func sendCompanion() async throws -> Answer? {
    let companion = CompanionMessage(.invite, binding: binding(isOurs: true), time: unixSeconds(), reference: reference)
    if let text = companion.text {
      try await node.putByPlan(sealer.seal(text, to: peer, id: firstID), at: companionKey, sealer: sealer)
    }
    try await Task.sleep(for: .seconds(24 * 3600))
    return nil
  }

  private func binding(isOurs: Bool) -> CompanionMessage.Binding {
    CompanionMessage.Binding(
      sender: isOurs ? own : peer.certificateID, recipient: isOurs ? peer.certificateID : own, application: application,
      invite: firstID)
  }

  /// Puts the value, and again under another number if somebody else's value has that one: nodes keep the first.
  private func putUnderOwnNumber(_ current: CurrentValue) async throws {
    for _ in 1..<Self.numbersAtMost {
      let value = current.value.withLock { $0 }
      let put: Void? = await callback { done in node.put(value, at: key) { _ in done(()) } }
      // Nodes that are asked before the value is there would tell nothing.
      guard put != nil, await isTaken(value) else { return }
      try Task.checkCancellation()
      let other = try sealer.reseal(
        value, id: numbers.take(atLeast: value.id &+ .random(in: 1...InviteNumbers.spread), now: unixSeconds()),
        edition: 0)
      logger.debug(
        "the number of the invite was taken: using another",
        metadata: ["event": "dht.invite-renumbered", "id": "\(other.id)"])
      // The old number stays registered: the companion went under it, and may be answered. A bare line under it is not meant for us.
      abandoned.add(value.id)
      desk.register(inbox, for: other.id)
      // Not before: what is put repeatedly beside this goes under the new number from now on.
      current.value.withLock { $0 = other }
    }
    node.put(current.value.withLock { $0 }, at: key)
  }

  /// Whether the DHT holds a value under our number that is not ours.
  private func isTaken(_ value: SealedValue) async -> Bool {
    let ours = value.digest
    let taken: Bool? = await callback { done in
      node.get(key, id: value.id) { found in
        if found.id == value.id, found.digest != ours { done(true) }
      } done: {
        done(false)
      }
    }
    return taken ?? false
  }

  /// Waits for the first call of a callback; nil when it has not come in time or the task is cancelled. OpenDHT calls back when all
  /// nodes have replied or are given up, which takes it 3 s for each silent one.
  private func callback<Value: Sendable>(
    within limit: Duration = .seconds(4), of start: (@escaping @Sendable (Value) -> Void) -> Void
  ) async -> Value? {
    let (values, continuation) = AsyncStream.makeStream(of: Value.self, bufferingPolicy: .bufferingOldest(1))
    start { value in
      continuation.yield(value)
      continuation.finish()
    }
    return await withTaskGroup(of: Value?.self) { group in
      group.addTask {
        for await value in values { return value }
        return nil
      }
      group.addTask {
        try? await Task.sleep(for: limit)
        return nil
      }
      defer { group.cancelAll() }
      return await group.next() ?? nil
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
    let accepted = try reference(in: line)
    guard CompanionMessage.isCompanion(line) || !abandoned.contains(value.id) else {
      throw .malformed("it answers another's invite")
    }
    guard memory.isNew(accepted.puzzle, of: owner, logger: logger) else { throw .replay }
    return .accept(accepted)
  }

  private func reference(in text: String) throws(DropReason) -> Reference {
    guard CompanionMessage.isCompanion(text) else {
      do throws(ReferenceError) { return try Reference(line: text) } catch { throw .malformed(error.description) }
    }
    do throws(CompanionError) {
      return try CompanionMessage(
        text: text, kind: .accept(question: reference.puzzle), binding: binding(isOurs: false), now: unixSeconds()
      ).reference
    } catch {
      throw .malformed(error.description)
    }
  }
}

/// The value that the invite goes under now: the repeats and the number check both change it.
private final class CurrentValue: Sendable {
  let value: Mutex<SealedValue>
  init(_ value: SealedValue) { self.value = Mutex(value) }
}

private final class AbandonedNumbers: Sendable {
  private let ids = Mutex<Set<UInt64>>([])
  func add(_ id: UInt64) { ids.withLock { _ = $0.insert(id) } }
  func contains(_ id: UInt64) -> Bool { ids.withLock { $0.contains(id) } }
}
