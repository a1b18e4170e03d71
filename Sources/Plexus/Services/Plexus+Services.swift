import DatagramSockets
import Datagrams
import Identity
import NIOCore
import Tubus
import Wormhole

extension Plexus {
  /// Offers services to a counterpart for as long as it is not cancelled.
  ///
  /// The passage's own socket becomes the tunnel and is never closed and bound again. When the path breaks, both sides meet again over the
  /// rendezvous. The far end imports: it is `plexus --import` or, with the passage's secret, a C++ `wormhole`.
  ///
  /// - Throws: ``PlexusError`` when no passage can be made at the start, or the rendezvous cannot be used at all; `CancellationError`.
  public func export(_ exporter: WormholeExporter, to counterpart: Counterpart) async throws {
    try await keepMeeting(counterpart) { passage in
      try await carry(passage, as: .accepting) { tunnel in try await exporter.run(tunnel) }
    }
  }

  /// Brings a counterpart's services to the ports that an importer listens on, for as long as it is not cancelled.
  ///
  /// The ports stay open while tunnels come and go; see ``export(_:to:)``. `configuration.eventLoops` has to be the importer's event loop.
  ///
  /// - Throws: as ``export(_:to:)``.
  public func `import`(_ importer: WormholeImporter, from counterpart: Counterpart) async throws {
    try await keepMeeting(counterpart) { passage in
      try await carry(passage, as: .connecting) { tunnel in try await importer.run(tunnel) }
    }
  }

  /// Makes one passage after another, or with everyone who invites, and logs why each ended.
  private func keepMeeting(
    _ counterpart: Counterpart, carry: @Sendable @escaping (Passage) async throws -> Void
  ) async throws {
    switch counterpart {
    case .whoeverInvites(let pattern):
      try await accept(from: pattern) { passage in try await tell(of: passage.description.peer, carry, passage) }
    case .peer(let name):
      var hasMet = false
      while true {
        let start = ContinuousClock.now
        do {
          let passage = try await invite(name)
          hasMet = true
          try await tell(of: name, carry, passage)
        } catch let error as PlexusError where hasMet {
          // Whoever was there comes back.
          telemetry.tell(.passageFailed(peer: name, role: .inviting, error: error))
        }
        try await Task.sleep(until: start + Self.pauseBetweenMeetings)
      }
    }
  }

  /// A tunnel that breaks as fast as it is made is made once a second.
  private static let pauseBetweenMeetings: Duration = .seconds(1)

  /// The end of a tunnel is no failure of the run.
  private func tell(
    of peer: IdentityName, _ carry: @Sendable (Passage) async throws -> Void, _ passage: Passage
  ) async throws {
    do {
      try await carry(passage)
      telemetry.tell(.tunnelEnded(peer: peer, reason: nil))
    } catch let error as CancellationError {
      throw error
    } catch {
      telemetry.tell(.tunnelEnded(peer: peer, reason: "\(error)"))
    }
  }

  /// Turns the passage into a tunnel, and ends both on the way out.
  private func carry(
    _ passage: Passage, as side: TubusTunnel.Side, use: (any Channel) async throws -> Void
  ) async throws {
    var configuration = TubusConfiguration()
    configuration.secret = passage.description.secret.value
    // The handshake has shown that both are there.
    configuration.linkTimeout = .seconds(10)
    // Streams are worth a datagram each second: a NAT that lost its mapping has a new one after that, and a peer that was started
    // again at once is met again within five seconds. Each side's ping and its answer to the other's make eight that have to get lost.
    configuration.keepaliveInterval = .seconds(1)
    configuration.silenceTimeout = .seconds(4)
    let tunnel = TubusTunnel(
      side, adopting: passage.socket, remote: passage.description.alien, configuration: configuration)
    do {
      let channel = try await tunnel.connect(on: passage.socket.eventLoop)
      telemetry.tell(.tunnelUp(peer: passage.description.peer, remote: passage.description.alien))
      try await use(channel)
      await tunnel.close()
    } catch {
      await tunnel.close()
      throw error
    }
  }
}
