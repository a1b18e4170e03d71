import Identity
import Rendezvous

// The side that invites.
extension DHTRendezvous {
  /// Looks up the nodes that will keep the invite and the answer.
  public func prepare(toInvite peer: PeerIdentity, application: String) {
    guard case .running(let node, _) = phase else { return }
    desk(for: application, on: node).prepare()
    node.warm(key(to: peer, application, subjects.invite))
    node.warm(key(to: peer, application, subjects.companion(of: subjects.invite)))
  }

  /// Puts the invite and waits for what the peer says.
  public func invite(
    _ peer: PeerIdentity, application: String, reference: Reference, timeout: Duration
  ) async throws -> Answer {
    let node = try runningNode()
    let id = try numbers.next(from: own.certificateID, to: peer.certificateID, now: unixSeconds())
    var logger = logger
    logger[metadataKey: "peer"] = "\(peer.name)"
    let attempt = InviteAttempt(
      peer: peer, reference: reference, node: node, desk: desk(for: application, on: node),
      inbox: ValueInbox(logger: logger), sealer: sealer, memory: memory,
      key: key(to: peer, application, subjects.invite),
      companionKey: key(to: peer, application, subjects.companion(of: subjects.invite)), own: own.certificateID,
      application: application, unixSeconds: unixSeconds, logger: logger, firstID: id,
      numbers: numbers)
    let answer = try await withThrowingTaskGroup { group in
      group.addTask { try await attempt.run() }
      group.addTask {
        try await Task.sleep(for: timeout)
        throw self.unanswered(peer, timeout)
      }
      defer { group.cancelAll() }
      return try await group.next() ?? nil
    }
    // A cancelled attempt may end like one whose inbox was closed.
    try Task.checkCancellation()
    guard let answer else { throw Self.notRunning }
    return answer
  }

  private nonisolated func unanswered(_ peer: PeerIdentity, _ timeout: Duration) -> RendezvousError {
    RendezvousError(
      .unanswered,
      "\(peer.name) did not answer within \(Int(timeout.milliseconds / 1000)) s; check that it accepts with the same "
        + "application id and DHT network, and that its repository holds the certificate of \(own.name)")
  }

  /// The desk of an application, made when it is first needed.
  private func desk(for application: String, on node: DHTNode) -> AnswerDesk {
    if let desk = desks[application] { return desk }
    let keys = [subjects.accept, subjects.companion(of: subjects.accept), subjects.decline].map { subject in
      DHTKey(recipient: own.certificateID, application: application, subject: subject)
    }
    let desk = AnswerDesk(node: node, keys: keys)
    desks[application] = desk
    return desk
  }
}
