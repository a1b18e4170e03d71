import DatagramSockets
import Identity
import NIOCore
import SecureStreams
import Wormhole

extension Plexus {
  /// Offers services to a counterpart for as long as it is not cancelled.
  ///
  /// The passage's own socket becomes the tunnel and is never closed and bound again. Where both ends are this implementation the tunnel is
  /// encrypted, and goes on over another passage when the path breaks. The far end imports: it is `plexus --import` or, with the passage's
  /// secret, a C++ `wormhole`.
  ///
  /// - Throws: ``PlexusError`` when no passage can be made at the start, or the rendezvous cannot be used at all; `CancellationError`.
  public func export(_ exporter: WormholeExporter, to counterpart: Counterpart) async throws {
    try await keepMeeting(counterpart) { passage in
      try await carry(passage, connecting: false) { tunnel in try await exporter.run(tunnel) }
    }
  }

  /// Brings a counterpart's services to the ports that an importer listens on, for as long as it is not cancelled.
  ///
  /// The ports stay open while tunnels come and go; see ``export(_:to:)``. `configuration.eventLoops` has to be the importer's event loop.
  ///
  /// - Throws: as ``export(_:to:)``.
  public func `import`(_ importer: WormholeImporter, from counterpart: Counterpart) async throws {
    try await keepMeeting(counterpart) { passage in
      try await carry(passage, connecting: true) { tunnel in try await importer.run(tunnel) }
    }
  }

  /// Makes one passage after another, or with everyone who invites, and logs why each ended.
  ///
  /// - Parameter carry: returns a passage that is there already, to a peer that was started again.
  private func keepMeeting(
    _ counterpart: Counterpart, carry: @Sendable @escaping (Passage) async throws -> Passage?
  ) async throws {
    switch counterpart {
    case .whoeverInvites(let pattern):
      try await accept(from: pattern) { passage in _ = try await carry(passage) }
    case .peer(let name):
      var hasMet = false
      var next: Passage?
      while true {
        let start = clock.now()
        do {
          let passage: Passage
          if let made = next { passage = made } else { passage = try await invite(name) }
          hasMet = true
          next = try await carry(passage)
          if next != nil { continue }
        } catch let error as PlexusError where hasMet && error.code != .notSecure {
          next = nil
          // Whoever was there comes back.
          telemetry.tell(.passageFailed(peer: name, role: .inviting, error: error))
        }
        try await clock.sleep(max(.zero, Self.pauseBetweenMeetings - clock.since(start)))
      }
    }
  }

  /// A tunnel that breaks as fast as it is made is made once a second.
  private static let pauseBetweenMeetings: Duration = .seconds(1)

  /// Turns the passage into a tunnel, and ends both on the way out. The end of a tunnel is no failure of the run.
  ///
  /// - Returns: a passage to the peer's next life, if there is one already.
  private func carry(
    _ passage: Passage, connecting isConnecting: Bool, use: (any Channel) async throws -> Void
  ) async throws -> Passage? {
    let peer = passage.description.peer
    let stream: PassageStream
    do { stream = try await passage.openStream(connecting: isConnecting) } catch let error as CancellationError {
      throw error
    } catch {
      telemetry.tell(.tunnelEnded(peer: peer, reason: "\(error)"))
      return nil
    }
    telemetry.tell(.tunnelUp(peer: peer, remote: passage.description.alien, isEncrypted: stream.isEncrypted))
    let result: Result<Void, any Error>
    do { result = .success(try await use(stream.channel)) } catch { result = .failure(error) }
    let next = await stream.end()
    switch result {
    case .success: telemetry.tell(.tunnelEnded(peer: peer, reason: nil))
    case .failure(let error as CancellationError):
      await next?.socket.close()
      throw error
    case .failure(let error):
      let reason = SecureStreamError(endOfStream: error)?.description ?? "\(error)"
      telemetry.tell(.tunnelEnded(peer: peer, reason: reason))
    }
    return next
  }
}
