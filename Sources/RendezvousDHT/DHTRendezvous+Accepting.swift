import Identity
import Rendezvous

// The side that is invited.
extension DHTRendezvous {
  /// Invites that are verified, decrypted and new. A stream that is not read keeps the 64 oldest.
  public nonisolated func invitations(
    application: String, from peers: IdentityPattern
  ) -> AsyncThrowingStream<Invitation, any Error> {
    received { me, inbox, feed in
      let receiver = InviteReceiver(
        own: me.own, application: application, subjects: me.subjects, directory: me.directory(peers),
        node: try me.runningNode(), sealer: me.sealer, memory: me.memory, unixSeconds: me.unixSeconds,
        logger: me.logger,
        inbox: inbox)
      return {
        await receiver.run { invitation in
          if case .dropped = feed.yield(invitation) {
            receiver.logger.warning(
              "too many invites wait: one was lost",
              metadata: ["event": "invite.queue-full", "peer": "\(invitation.peer.name)"])
          }
        }
      }
    }
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
