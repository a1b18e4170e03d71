import Identity
import Rendezvous

// Notices that one is there.
extension DHTRendezvous {
  /// Puts the notice, and once more; returns when the nodes have it.
  public func announce(to peer: PeerIdentity, application: String) async throws {
    let node = try runningNode()
    let id = try numbers.next(from: own.certificateID, to: peer.certificateID, now: unixSeconds())
    let key = key(to: peer, application, subjects.advent)
    let first = try sealer.seal(AdventNotice.line, to: peer, id: id)
    for value in [first, try sealer.reseal(first, id: id, edition: 1)] {
      let (puts, feed) = AsyncStream.makeStream(of: Void.self)
      node.put(value, at: key) { _ in feed.finish() }
      await withTaskGroup { group in
        group.addTask { for await _ in puts {} }
        // OpenDHT waits 3 s for each silent node.
        group.addTask { try? await Task.sleep(for: .seconds(4)) }
        await group.next()
        group.cancelAll()
      }
      try Task.checkCancellation()
    }
  }

  /// Notices that are verified, decrypted and new; the DHT keeps them for ten minutes. A stream that is not read keeps the 64 oldest.
  public nonisolated func advents(
    application: String, from peers: IdentityPattern
  ) -> AsyncThrowingStream<Advent, any Error> {
    received { me, inbox, feed in
      let receiver = AdventReceiver(
        own: me.own, application: application, subjects: me.subjects, directory: me.directory(peers),
        node: try me.runningNode(), sealer: me.sealer, memory: me.memory, unixSeconds: me.unixSeconds,
        logger: me.logger,
        inbox: inbox)
      return { await receiver.run { feed.yield($0) } }
    }
  }
}
