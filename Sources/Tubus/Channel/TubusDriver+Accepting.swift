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
    if let known = peers[source] { return challenge(known, datagram, from: source, now: now) }
    guard let acceptance, acceptance.peer == nil || acceptance.peer == source, hasRoom(acceptance),
      let peer = answer(datagram, from: source, acceptance, now: now)
    else { return }
    peers[source] = peer
    unproven.append(source)
    // In the place of one that goes there may be another one of its address.
    while unproven.count > Self.maximumUnproven { dropOldestUnproven() }
    touch(peer)
  }

  private func hasRoom(_ acceptance: Acceptance) -> Bool { peers.count + unread.count < acceptance.maximumConnections }

  /// The acceptor of a link; nil where the datagram is none.
  private func answer(
    _ datagram: UnsafeRawBufferPointer, from source: Endpoint, _ acceptance: Acceptance, now: Instant
  ) -> Peer? {
    var connection = TubusConnection(
      role: .acceptor, configuration: acceptance.configuration, seed: .random(in: .min ... .max), now: now)
    connection.receiveAllowance = freeBytes
    guard connection.receive(datagram, now: now) == .taken else { return nil }
    return makePeer(connection, source)
  }

  private func dropOldestUnproven() {
    let oldest = unproven.removeFirst()
    guard let peer = peers[oldest], !peer.channel.connection.isPeerProven else { return }
    drop(peer, at: oldest)
  }

  /// Lets go of a peer that has proved nothing, for another one.
  private func drop(_ peer: Peer, at endpoint: Endpoint) {
    peer.channel.connection.replace()
    // The channel ends by it: a channel and its pipeline hold each other until then.
    takeEvents(of: peer)
    remove(peer, at: endpoint)
  }

  /// A peer that we know may have begun anew, or somebody forges its address: whoever answers our ping is the one.
  private func challenge(
    _ known: Peer, _ datagram: UnsafeRawBufferPointer, from source: Endpoint, now: Instant
  ) {
    guard let acceptance, known.channel.connection.role == .acceptor else { return }
    let former = challengers[source]
    if let former {
      if receive(datagram, from: 0, segment: datagram.count, former, now: now) > 0 { return }
      // It is about to be taken on; whoever links meanwhile does so again.
      if former.channel.connection.isPeerProven { return }
    } else if challengers.count >= Self.maximumUnproven {
      return
    }
    // Where something of the old one is still to be read there will be two.
    guard !known.channel.isUnread || hasRoom(acceptance),
      let challenger = answer(datagram, from: source, acceptance, now: now)
    else { return }
    if let former { drop(former, at: source) }
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
    guard let acceptance else {
      // Nobody takes it on any more. The peer is told, and nothing that it sent is kept.
      peer.channel.connection.abort(now: now)
      return peer.channel.end(.aborted)
    }
    acceptance.accept(peer.channel)
  }
}
