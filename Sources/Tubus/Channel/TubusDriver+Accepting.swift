import Datagrams

// Peers that come by themselves.
extension TubusDriver {
  /// What is needed to take on peers that come by themselves.
  struct Acceptance {
    let configuration: TubusConfiguration
    /// The only address a peer may come from; nil for any.
    let peer: Endpoint?
    let maximumConnections: Int
    /// Sets a channel up and hands it to its user.
    let accept: (TubusChannel) -> Void
    /// Nobody will come any more.
    let end: () -> Void
  }

  /// Peers that sent a link and have not shown yet that they are where they say. Forged links come as fast as one likes; each costs a
  /// kilobyte for as long as there is room.
  private static let maximumUnproven = 128

  /// Takes on peers from here on, or none any more.
  func accept(_ acceptance: Acceptance?) throws {
    if acceptance != nil { try checkOpen() }
    guard acceptance == nil || self.acceptance == nil else { throw TubusEndpointError.alreadyListening }
    self.acceptance = acceptance
  }

  /// A datagram that is nothing of a connection we know: of somebody unknown, or of a peer that begins anew.
  func meet(_ datagram: UnsafeRawBufferPointer, from source: Endpoint, now: Instant) {
    if peers[source] != nil { return challenge(datagram, from: source, now: now) }
    guard let acceptance, acceptance.peer == nil || acceptance.peer == source,
      peers.count < acceptance.maximumConnections
    else { return }
    var connection = TubusConnection(
      role: .acceptor, configuration: acceptance.configuration, seed: .random(in: .min ... .max), now: now)
    guard connection.receive(datagram, now: now) == .taken else { return }
    let peer = makePeer(connection, source)
    peers[source] = peer
    unproven.append(source)
    if unproven.count > Self.maximumUnproven { dropOldestUnproven() }
    touch(peer)
  }

  private func dropOldestUnproven() {
    let oldest = unproven.removeFirst()
    guard let peer = peers[oldest], !peer.channel.connection.isPeerProven else { return }
    remove(peer, at: oldest)
    // A channel and its pipeline hold each other until it has ended.
    peer.channel.end(.notLinked)
  }

  /// A peer that we know may have begun anew, or somebody forges its address: whoever answers our ping is the one.
  private func challenge(_ datagram: UnsafeRawBufferPointer, from source: Endpoint, now: Instant) {
    guard let acceptance, peers[source]?.channel.connection.role == .acceptor else { return }
    if let challenger = challengers[source], challenger.channel.connection.receive(datagram, now: now) == .taken {
      return touch(challenger)
    }
    guard challengers.count < Self.maximumUnproven else { return }
    var connection = TubusConnection(
      role: .acceptor, configuration: acceptance.configuration, seed: .random(in: .min ... .max), now: now)
    guard connection.receive(datagram, now: now) == .taken else { return }
    let challenger = makePeer(connection, source)
    challengers[source] = challenger
    touch(challenger)
  }

  /// The peer and we know each other.
  func linked(_ peer: Peer) {
    let endpoint = peer.channel.remoteEndpoint
    if peer.channel.connection.role == .connector {
      let onLinked = peer.onLinked
      peer.onLinked = nil
      onLinked?(nil)
      return
    }
    unproven.removeAll { $0 == endpoint }
    if challengers[endpoint] === peer, let old = peers[endpoint] {
      challengers[endpoint] = nil
      old.channel.connection.replace()
      takeEvents(of: old)
      remove(old, at: endpoint)
      peers[endpoint] = peer
    }
    acceptance?.accept(peer.channel)
  }
}
