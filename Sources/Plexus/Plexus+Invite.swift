import DatagramSockets
import Datagrams
import HolePunching
import Identity
import Rendezvous
import RendezvousDHT
import STUN

extension Plexus {
  /// Invites a peer that accepts, and makes a passage to it.
  ///
  /// - Parameter name: a peer whose certificate is in the repository.
  /// - Throws: ``PlexusError`` that says in one sentence why there is no passage, or `CancellationError`.
  public func invite(_ name: IdentityName) async throws -> Passage {
    do { return try await passage(to: name, continuing: nil) } catch {
      let error = PlexusError.describing(error)
      if let error = error as? PlexusError { telemetry.countFailure(error, of: .inviting) }
      throw error
    }
  }

  /// - Parameter path: the stream that is to go on over the passage, if the peer still knows it.
  func passage(to name: IdentityName, continuing path: StreamPath?) async throws -> Passage {
    do { return try await newPassage(to: name, continuing: path) } catch {
      remember(error, with: name, as: .inviting)
      throw error
    }
  }

  private func newPassage(to name: IdentityName, continuing path: StreamPath?) async throws -> Passage {
    let start = clock.now()
    let peer = try peer(name)
    telemetry.tell(.inviting(host: host, peer: name, application: configuration.application))
    // Before the rendezvous is joined, so that the passage need not wait for the router to be found.
    ports?.prepare()
    let passage = try await withRendezvous(port: invitingPort) { rendezvous in
      // The rendezvous is joined while STUN runs: neither needs the other.
      async let joined: Void = join(rendezvous, toInvite: peer)
      var ground = try await prepareGround(on: path?.channel.eventLoop)
      do {
        if ground.offer == nil {
          ground = await ground.withForwardedPort()
          // Nobody could make use of it.
          try ground.checkPunchable()
        }
        try await joined
        ground = await ground.withForwardedPort()
        let own = try reference(to: ground, continuing: path?.token)
        let theirs = try await exchange(own, with: peer, over: rendezvous, keeping: ground)
        try checkSecurity(of: peer, offering: theirs)
        return try await meet(Exchange(peer: peer, own: own, theirs: theirs), on: ground, as: .inviting)
      } catch {
        await ground.close()
        throw error
      }
    }
    telemetry.tell(.passageMade(peer: name, role: .inviting, after: clock.since(start)))
    return passage
  }

  /// Any port, unless one was asked for. What other nodes still send to the last node on a port would flood the next one there:
  /// a node's listens outlive it by half a minute.
  var invitingPort: DHTConfiguration.Port {
    switch configuration.dht.port {
    case .preferred: .fixed(0)
    case .fixed: configuration.dht.port
    }
  }

  private func peer(_ name: IdentityName) throws -> PeerIdentity {
    guard name != host else {
      throw PlexusError(.unknownPeer, "\(name) is the own identity", advice: "invite another one")
    }
    return try repository.peer(name)
  }

  /// Sends the invitation and waits for the answer, while the NAT's mapping is kept alive.
  private func exchange(
    _ own: Reference, with peer: PeerIdentity, over rendezvous: any Rendezvous, keeping ground: PassageGround
  ) async throws -> Reference {
    let start = clock.now()
    let answer = try await withThrowingTaskGroup(of: Answer?.self) { group in
      group.addTask {
        try await rendezvous.invite(
          peer, application: configuration.application, reference: own, timeout: configuration.responseTimeout)
      }
      group.addTask {
        try await keepMappingAlive(of: ground)
        return nil
      }
      defer { group.cancelAll() }
      while let finished = try await group.next() {
        if let answer = finished { return answer }
      }
      throw CancellationError()
    }
    switch answer {
    case .accept(let theirs):
      telemetry.tell(
        .answered(peer: peer.name, endpoint: theirs.endpoint, after: clock.since(start)))
      return theirs
    case .decline(let reason):
      throw PlexusError(declinedBy: peer.name, reason: reason)
    }
  }
}
