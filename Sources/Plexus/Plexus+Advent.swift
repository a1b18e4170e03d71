import DatagramSockets
import Identity
import Rendezvous

extension Plexus {
  /// Tells a peer that we are there, over the rendezvous; returns when the notice is on its way. Nothing comes back.
  ///
  /// - Parameter name: a peer whose certificate is in the repository.
  /// - Throws: ``PlexusError`` that says in one sentence why it could not be sent, or `CancellationError`.
  public func announce(to name: IdentityName) async throws {
    do {
      let peer = try repository.peer(name)
      try await withRendezvous(port: .fixed(0)) { rendezvous in
        try await join(rendezvous)
        try await rendezvous.announce(to: peer, application: configuration.application)
      }
      telemetry.tell(.announced(peer: name, application: configuration.application))
    } catch {
      throw PlexusError.describing(error)
    }
  }

  /// Hands presence notices to `perform` as they come in, for as long as it is not cancelled.
  ///
  /// - Parameters:
  ///   - pattern: whose notices, out of the peers in the repository.
  ///   - perform: gets whoever is there; the next notice waits for it.
  /// - Throws: ``PlexusError`` when the rendezvous cannot be used at all, or `CancellationError`.
  public func receiveAdvents(
    from pattern: IdentityPattern, perform: @Sendable (IdentityName) async throws -> Void
  ) async throws {
    do {
      try await withRendezvous(port: configuration.dht.port) { rendezvous in
        try await joinPatiently(rendezvous)
        for try await advent in rendezvous.advents(application: configuration.application, from: pattern) {
          telemetry.tell(.adventReceived(peer: advent.peer.name))
          try await perform(advent.peer.name)
        }
        try Task.checkCancellation()
      }
    } catch {
      throw PlexusError.describing(error)
    }
  }
}
