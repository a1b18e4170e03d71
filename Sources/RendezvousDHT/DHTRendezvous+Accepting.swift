import Identity
import Rendezvous

// The side that is invited.
extension DHTRendezvous {
  /// Invites that are verified, decrypted and new. A stream that is not read keeps the 64 oldest.
  public nonisolated func invitations(
    application: String, from peers: IdentityPattern
  ) -> AsyncThrowingStream<Invitation, any Error> {
    let (stream, feed) = AsyncThrowingStream.makeStream(of: Invitation.self, bufferingPolicy: .bufferingOldest(64))
    let inbox = ValueInbox(logger: logger)
    // Ends the receiver however the stream ends; closing twice does nothing.
    feed.onTermination = { _ in inbox.close() }
    Task {
      do {
        try await receive(application, from: peers, inbox: inbox, feed: feed)
      } catch {
        feed.finish(throwing: error)
      }
    }
    return stream
  }

  /// Starts the receiver; the task that runs it is ours, so that ``leave()`` can wait for it.
  private func receive(
    _ application: String, from peers: IdentityPattern, inbox: ValueInbox,
    feed: AsyncThrowingStream<Invitation, any Error>.Continuation
  ) throws {
    let receiver = InviteReceiver(
      own: own, application: application, subjects: subjects, directory: directory(peers), node: try runningNode(),
      sealer: sealer, memory: memory, unixSeconds: unixSeconds, logger: logger, inbox: inbox)
    let number = keep {
      await receiver.run { invitation in
        if case .dropped = feed.yield(invitation) {
          receiver.logger.warning(
            "too many invites wait: one was lost",
            metadata: ["event": "invite.queue-full", "peer": "\(invitation.peer.name)"])
        }
      }
      feed.finish()
    }
    inboxes[number] = inbox
  }

  /// Puts the answer where the inviter looks, and again by ``PutPlan``.
  ///
  /// Who sent a companion and gets a supplement gets it in a companion, and no line: so both know by which of the two they meet.
  public func answer(_ invitation: Invitation, with answer: Answer) throws {
    let node = try runningNode()
    let (text, subject) = text(of: answer, to: invitation)
    let sealer = sealer
    let key = key(to: invitation.peer, invitation.application, subject)
    let first = try sealer.seal(text, to: invitation.peer, id: invitation.id)
    keep { try? await node.putByPlan(first, at: key, sealer: sealer) }
  }

  private func text(of answer: Answer, to invitation: Invitation) -> (text: String, subject: String) {
    switch answer {
    case .accept(let reference):
      let companion = CompanionMessage(
        .accept(question: invitation.reference.puzzle),
        binding: CompanionMessage.Binding(
          sender: own.certificateID, recipient: invitation.peer.certificateID, application: invitation.application,
          invite: invitation.id), time: unixSeconds(), reference: reference)
      guard invitation.reference.supplement.text != nil, let text = companion.text else {
        return (reference.line, subjects.accept)
      }
      return (text, subjects.companion(of: subjects.accept))
    case .decline(let reason):
      return (DeclineNotice(reason: reason, puzzle: invitation.reference.puzzle).line, subjects.decline)
    }
  }
}
