import Identity

/// A meeting place: how two peers that know only each other's certificates tell each other where they are.
///
/// One object serves one own identity. Create it, ``join(timeout:)``, use it from any task, ``leave()``.
public protocol Rendezvous: Sendable {
  /// Starts, and returns when connected.
  ///
  /// - Throws: ``RendezvousError`` that says why not, at the latest after `timeout`.
  func join(timeout: Duration) async throws

  /// Gets ready to invite `peer`, so that ``invite(_:application:reference:timeout:)`` is quick. Call it as early as the peer
  /// is known, for example while STUN runs. Sends nothing to the peer; returns at once.
  func prepare(toInvite peer: PeerIdentity, application: String) async

  /// Invites as they come in, from peers in the repository that match, each once; for as long as it is iterated.
  func invitations(application: String, from peers: IdentityPattern) -> AsyncThrowingStream<Invitation, any Error>

  /// Sends the answer; returns when it is on its way. It is repeated for a few seconds behind the scenes.
  func answer(_ invitation: Invitation, with answer: Answer) async throws

  /// Sends an invite and waits for the answer of that very peer.
  ///
  /// - Throws: ``RendezvousError`` with code `unanswered` after `timeout`.
  func invite(
    _ peer: PeerIdentity, application: String, reference: Reference, timeout: Duration
  ) async throws -> Answer

  /// Tells `peer` that we are there; returns when that is on its way. Nothing comes back.
  func announce(to peer: PeerIdentity, application: String) async throws

  /// Presence notices as they come in, from peers in the repository that match, each once; for as long as it is iterated.
  func advents(application: String, from peers: IdentityPattern) -> AsyncThrowingStream<Advent, any Error>

  /// Ends everything: streams finish, waiting invites throw. Returns when nothing runs any more.
  func leave() async
}
