import Rendezvous

/// When one message is put, and put again until it is answered.
///
/// A put reaches the nodes that are known as the closest at that moment, which on a fresh node may not yet be the closest
/// there are; and the datagrams that show a value to a listener can get lost. The same bytes again reach nodes that joined the lookup
/// since; a newer edition (sequence number) is shown to listeners anew, and changes nothing for one that has the value.
enum PutPlan {
  struct Step: Hashable {
    var after: Duration
    var edition: UInt16
  }

  static let steps: [Step] = [
    Step(after: .zero, edition: 0),
    // Lookups gain nodes round trip by round trip: most are there after the first, all after a few.
    Step(after: .milliseconds(150), edition: 0),
    Step(after: .milliseconds(500), edition: 0),
    // No answer within what a healthy exchange takes: something got lost.
    Step(after: .milliseconds(1500), edition: 1),
    Step(after: .seconds(4), edition: 2),
    Step(after: .seconds(9), edition: 3),
  ]

  /// When an inviter puts its invite under a later id as well, for a reference acceptor whose clock is ahead: it ignores ids
  /// before its own start. Later than the slowest answer of one that did take the invite (it explores its NAT first,
  /// 4 tests of 1.4 s, and then puts), because it would answer the second as well.
  static let laterIDAfter = Duration.seconds(15)
}

extension DHTNode {
  /// Puts a value, and again by ``PutPlan``; returns when all is put.
  ///
  /// - Throws: ``RendezvousError`` when it cannot be signed, or `CancellationError`.
  func putByPlan(_ first: SealedValue, at key: DHTKey, sealer: Sealer) async throws {
    let start = ContinuousClock.now
    put(first, at: key)
    for step in PutPlan.steps where step.after > .zero {
      try await Task.sleep(until: start + step.after, clock: .continuous)
      // Another object, so that OpenDHT sends it also to nodes whose reply to the last one is still awaited.
      put(try sealer.reseal(first, id: first.id, edition: step.edition), at: key)
    }
  }
}
