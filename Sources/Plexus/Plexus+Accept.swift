import DatagramSockets
import Datagrams
import HolePunching
import Identity
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
  /// - Throws: ``PlexusError`` when the DHT cannot be used at all, or `CancellationError`.
  public func accept(
    from pattern: IdentityPattern, perform: @Sendable @escaping (Passage) async throws -> Void
  ) async throws {
    telemetry.tell(.accepting(host: host, pattern: pattern, application: configuration.application))
    let slots = Slots(configuration.localEndpoint.port == 0 ? max(1, configuration.maximumAttempts) : 1)
    do {
      try await withRendezvous(port: configuration.dht.port) { rendezvous in
        try await withThrowingDiscardingTaskGroup { group in
          await slots.take()
          group.addTask {
            await survey()
            slots.give()
          }
          try await join(rendezvous)
          for try await invitation in rendezvous.invitations(application: configuration.application, from: pattern) {
            await slots.take()
            group.addTask {
              await serve(invitation, over: rendezvous, perform: perform)
              slots.give()
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

  /// Looks at the own network once at start, so that a NAT that cannot be passed is told before anybody is disappointed.
  private func survey() async {
    do {
      let socket = try await bindSocket()
      do {
        _ = try await publicMapping(of: socket)
      } catch {
        await socket.close()
        throw error
      }
      await socket.close()
    } catch is CancellationError {
    } catch {
      telemetry.tell(.surveyFailed(PlexusError(error)))
    }
  }

  private func serve(
    _ invitation: Invitation, over rendezvous: DHTRendezvous, perform: @Sendable (Passage) async throws -> Void
  ) async {
    let start = MonotonicClock.now
    let peer = invitation.peer.name
    telemetry.tell(.inviteReceived(peer: peer, endpoint: invitation.reference.endpoint))
    do {
      let passage = try await passage(for: invitation, over: rendezvous)
      telemetry.tell(.passageMade(peer: peer, role: .accepting, after: start.duration(to: MonotonicClock.now)))
      try await perform(passage)
    } catch is CancellationError {
    } catch {
      telemetry.tell(.passageFailed(peer: peer, role: .accepting, error: PlexusError(error)))
    }
  }

  private func passage(for invitation: Invitation, over rendezvous: DHTRendezvous) async throws -> Passage {
    let socket = try await bindSocket()
    do {
      let mapping: MappingReport
      do {
        mapping = try await publicMapping(of: socket)
      } catch {
        // The peer would wait for a minute otherwise.
        if let reason = DeclineReason(error) { try? await rendezvous.answer(invitation, with: .decline(reason)) }
        throw error
      }
      let own = try Reference(endpoint: mapping.publicEndpoint, puzzle: .random(in: .min ... .max))
      let exchange = Exchange(peer: invitation.peer, own: own, theirs: invitation.reference)
      // Punching starts before the answer is out, so that the own NAT is open when the peer's first datagram comes.
      async let answered: Void = rendezvous.answer(invitation, with: .accept(own))
      let passage = try await punch(exchange, on: socket, as: .accepting, mapping: mapping)
      try await answered
      return passage
    } catch {
      await socket.close()
      throw error
    }
  }
}
