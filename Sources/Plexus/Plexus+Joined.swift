import Rendezvous

extension Plexus {
  /// Stays on the rendezvous while `body` runs: what is done with the value that it gets need not join first.
  ///
  /// ```swift
  /// try await plexus.whileJoined { plexus in
  ///   for name in names { try await greet(plexus.invite(name)) }
  /// }
  /// ```
  ///
  /// For whoever invites often. Each ``invite(_:)`` by itself joins anew, which takes a few hundred milliseconds and, on a small DHT of one's
  /// own, leaves a node behind that the others look for in vain for some minutes.
  ///
  /// Passages and streams outlive the scope; a stream that loses its path joins by itself.
  ///
  /// - Parameter body: gets the same Plexus, joined; that value is of no use afterwards.
  /// - Throws: ``PlexusError`` when the rendezvous cannot be joined, `CancellationError`, or what `body` throws.
  public func whileJoined<Result: Sendable>(
    _ body: @Sendable (Plexus) async throws -> Result
  ) async throws -> Result {
    guard joined == nil else { return try await body(self) }
    return try await withRendezvous(port: invitingPort) { rendezvous in
      do { try await join(rendezvous) } catch { throw PlexusError.describing(error) }
      var plexus = self
      plexus.joined = rendezvous
      return try await body(plexus)
    }
  }

  /// The same for what lives longer than the rendezvous that is joined now.
  var unjoined: Plexus {
    var plexus = self
    plexus.joined = nil
    return plexus
  }
}
