import DatagramSockets
import Datagrams
import HolePunching
import Identity
import NIOCore
import Rendezvous
import RendezvousDHT
import STUN

extension Plexus {
  /// Serves invitations for as long as it is not cancelled: makes a passage with each peer that invites, many at once, and hands it to
  /// `perform`.
  ///
  /// What goes wrong with one invitation is logged and ends that one only. Where a local port is configured, invitations are served one
  /// after another, because the port can hold one passage only.
  ///
  /// - Parameters:
  ///   - pattern: the peers to serve, out of those in the repository.
  ///   - perform: owns the passage that it gets; what it throws is logged.
  /// - Throws: ``PlexusError`` when the rendezvous cannot be used at all, or `CancellationError`.
  public func accept(
    from pattern: IdentityPattern, perform: @Sendable @escaping (Passage) async throws -> Void
  ) async throws {
    telemetry.tell(.accepting(host: host, pattern: pattern, application: configuration.application))
    // While the rendezvous is joined the router is looked for, so that no passage waits for that.
    ports?.prepare()
    let slots = Slots(configuration.localEndpoint.port == 0 ? max(1, configuration.maximumAttempts) : 1)
    do {
      try await withRendezvous(port: configuration.dht.port) { rendezvous in
        try await withThrowingDiscardingTaskGroup { group in
          // Where the port is fixed, nobody can be served before this is over.
          _ = await slots.take(within: .zero)
          group.addTask {
            await survey()
            await slots.give()
          }
          try await joinPatiently(rendezvous)
          for try await invitation in rendezvous.invitations(application: configuration.application, from: pattern) {
            if let path = path(of: invitation) {
              // Its slot is taken already.
              group.addTask { await path.mend { await carryOn(path, for: invitation, over: rendezvous) } }
              continue
            }
            group.addTask {
              await slots.run(for: invitation.peer.name, waiting: Self.patience) {
                await serve(invitation, over: rendezvous, perform: perform)
              } orElse: {
                if await slots.mayRefuse(invitation.peer.name, now: clock.now()) {
                  await refuse(invitation, over: rendezvous)
                }
              }
            }
          }
          try Task.checkCancellation()
        }
      }
    } catch {
      let error = PlexusError.describing(error)
      if let error = error as? PlexusError { telemetry.countFailure(error, of: .accepting) }
      throw error
    }
  }

  /// Long enough for the survey and for a passage that is about to be made, too short for the inviter to wonder.
  private static let patience: Duration = .seconds(4)

  /// Tells an inviter that there is no place for it.
  private func refuse(_ invitation: Invitation, over rendezvous: any Rendezvous) async {
    // Whoever is cancelled was refused for no reason of the peer's.
    guard !Task.isCancelled else { return }
    try? await rendezvous.answer(invitation, with: .decline(.busy))
    telemetry.tell(
      .passageFailed(
        peer: invitation.peer.name, role: .accepting,
        error: PlexusError(.busy, "as many invitations as possible are being served")))
  }

  /// Looks at the own network once at start, so that a NAT that cannot be passed is told before anybody is disappointed.
  private func survey() async {
    do {
      let ground = try await prepareGround().withForwardedPort()
      await ground.close()
      try ground.checkPunchable()
    } catch is CancellationError {
    } catch {
      telemetry.tell(.surveyFailed(PlexusError(error)))
    }
  }

  private func serve(
    _ invitation: Invitation, over rendezvous: any Rendezvous, perform: @Sendable (Passage) async throws -> Void
  ) async {
    let start = clock.now()
    let peer = invitation.peer.name
    telemetry.tell(.inviteReceived(peer: peer, endpoint: invitation.reference.endpoint))
    do {
      let passage = try await passage(for: invitation, over: rendezvous)
      telemetry.tell(.passageMade(peer: peer, role: .accepting, after: clock.since(start)))
      try await perform(passage)
    } catch is CancellationError {
    } catch {
      telemetry.tell(.passageFailed(peer: peer, role: .accepting, error: PlexusError(error)))
    }
  }

  /// The stream of ours that an invitation wants to carry on.
  private func path(of invitation: Invitation) -> StreamPath? {
    guard canContinueStreams else { return nil }
    let supplement = PassageSupplement(text: invitation.reference.supplement.text)
    return streams.path(supplement.continues, of: invitation.peer.name)
  }

  /// Carries a stream on over a new passage to the peer. Where that fails, the peer invites again.
  private func carryOn(_ path: StreamPath, for invitation: Invitation, over rendezvous: any Rendezvous) async {
    let start = clock.now()
    let peer = invitation.peer.name
    telemetry.tell(.inviteReceived(peer: peer, endpoint: invitation.reference.endpoint))
    do {
      let passage = try await passage(for: invitation, over: rendezvous, continuing: path)
      try await path.move(to: passage)
      telemetry.tell(
        .pathRenewed(peer: peer, remote: passage.description.alien, after: clock.since(start)))
    } catch is CancellationError {
    } catch {
      telemetry.tell(.passageFailed(peer: peer, role: .accepting, error: PlexusError(error)))
    }
  }

  private func passage(
    for invitation: Invitation, over rendezvous: any Rendezvous, continuing path: StreamPath? = nil
  ) async throws -> Passage {
    do { return try await newPassage(for: invitation, over: rendezvous, continuing: path) } catch {
      remember(error, with: invitation.peer.name, as: .accepting)
      throw error
    }
  }

  private func newPassage(
    for invitation: Invitation, over rendezvous: any Rendezvous, continuing path: StreamPath?
  ) async throws -> Passage {
    let ground: PassageGround
    do {
      try checkSecurity(of: invitation.peer, offering: invitation.reference)
      ground = try await prepareGround(on: path?.channel.eventLoop).withForwardedPort()
    } catch {
      await decline(invitation, because: error, over: rendezvous)
      throw error
    }
    do {
      let own = try reference(to: ground, continuing: path?.token)
      let exchange = Exchange(
        peer: invitation.peer, own: own, theirs: invitation.reference, attempt: invitation.id)
      if exchange.offers == nil {
        do { try ground.checkPunchable() } catch {
          await decline(invitation, because: error, over: rendezvous)
          throw error
        }
      }
      return try await withThrowingTaskGroup(of: Passage?.self) { group in
        // Punching starts before the answer is out, so that the own NAT is open when the peer's first datagram comes.
        group.addTask { try await meet(exchange, on: ground, as: .accepting) }
        group.addTask {
          try await rendezvous.answer(invitation, with: .accept(own))
          return nil
        }
        let first: Result<Passage?, any Error>
        do {
          var made: Passage?
          while made == nil, let finished = try await group.next() { made = finished }
          first = .success(made)
        } catch {
          first = .failure(error)
        }
        // An answer that cannot be sent ends the punching, for nobody would ever be heard.
        group.cancelAll()
        // A passage that was made in the same moment must not keep its port.
        while let late = await group.nextResult() {
          if case .success(let passage?) = late { await passage.close() }
        }
        guard let passage = try first.get() else { throw CancellationError() }
        return passage
      }
    } catch {
      await ground.close()
      throw error
    }
  }

  /// The peer would wait for a minute otherwise.
  private func decline(
    _ invitation: Invitation, because error: any Error, over rendezvous: any Rendezvous
  ) async {
    if let reason = DeclineReason(error) { try? await rendezvous.answer(invitation, with: .decline(reason)) }
  }
}
