import DatagramSockets
import Datagrams
import Identity
import NIOCore
import STUN
import Tubus

/// Notices that the path of a stream is broken and meets the peer again, so that the stream goes on. The inviter does it.
struct PathKeeper: Sendable {
  let plexus: Plexus
  let path: StreamPath

  /// What makes a path suspect.
  enum Trouble: String, Sendable {
    /// Nothing was heard of the peer, which sends something each second.
    case silence
    /// This host has another address towards the peer.
    case addressChanged = "address-changed"
    /// This host slept: its NAT has most likely forgotten the mapping.
    case slept
  }

  /// Three datagrams of the peer in a row are missing, and as many answers to ours.
  static let suspiciousSilence: Duration = .milliseconds(3500)
  private static let lookEvery: Duration = .milliseconds(250)
  /// Meeting in vain is repeated, for as long as the stream is held.
  private static let longestPause: Duration = .seconds(15)
  /// More than any hiccup of a machine that is awake.
  private static let shortestSleep: Duration = .seconds(3)

  /// Runs until the stream ends.
  ///
  /// - Returns: a new passage to a peer that does not know the stream any more, if it was started again. The stream is aborted then.
  func run() async throws -> Passage? {
    let changes = NetworkChanges()
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await changes.run(every: Self.lookEvery, on: path.channel.eventLoop) }
      defer { group.cancelAll() }
      var address = localAddress()
      var clock = SleepClock()
      // By the clock that was given, which need not be the one that streams go by.
      var lastHeard = (stream: Instant.zero, at: plexus.clock.now())
      for await _ in changes.looks {
        guard let heard = await path.lastHeard() else { break }
        if heard != lastHeard.stream { lastHeard = (heard, plexus.clock.now()) }
        let current = localAddress()
        var trouble: Trouble?
        if clock.hasSlept(longerThan: Self.shortestSleep) {
          trouble = .slept
        } else if let current, let known = address, current != known {
          trouble = .addressChanged
        } else if plexus.clock.since(lastHeard.at) > Self.suspiciousSilence {
          trouble = .silence
        }
        address = current ?? address
        guard let trouble else { continue }
        if let successor = try await repair(trouble) { return successor }
        address = localAddress() ?? address
      }
      try Task.checkCancellation()
      return nil
    }
  }

  private func localAddress() -> IPAddress? {
    LocalRoute.localAddress(towards: path.passage.description.alien)
  }

  /// Meets the peer again until the stream has another path, ends, or the old path works after all.
  private func repair(_ trouble: Trouble) async throws -> Passage? {
    let start = plexus.clock.now()
    guard let heard = await path.lastHeard() else { return nil }
    plexus.telemetry.tell(.pathSuspect(peer: path.peer, trouble: trouble))
    var pause: Duration = .milliseconds(500)
    while path.channel.isActive {
      do {
        guard let passage = try await meet(unlessHeardAfter: heard) else {
          // It may have ended instead.
          if await path.lastHeard() != nil {
            plexus.telemetry.tell(.pathRecovered(peer: path.peer, after: plexus.clock.since(start)))
          }
          return nil
        }
        guard passage.continues == path.token else {
          path.channel.triggerUserOutboundEvent(TubusAbort(isPeerGone: true), promise: nil)
          return passage
        }
        try await path.move(to: passage)
        plexus.telemetry.tell(
          .pathRenewed(
            peer: path.peer, remote: passage.description.alien, after: plexus.clock.since(start)))
        return nil
      } catch let error as CancellationError {
        throw error
      } catch {
        plexus.telemetry.tell(.pathNotRenewed(peer: path.peer, error: PlexusError(error), pause: pause))
      }
      // A stream that ends meanwhile is not held up for the rest of the pause.
      let until = plexus.clock.now().advanced(by: pause)
      while path.channel.isActive, plexus.clock.now() < until { try await plexus.clock.sleep(Self.lookEvery) }
      pause = min(pause * 2, Self.longestPause)
    }
    return nil
  }

  /// Invites the peer; nil when it is heard over the old path meanwhile.
  private func meet(unlessHeardAfter start: Instant) async throws -> Passage? {
    try await withThrowingTaskGroup(of: Passage?.self) { group in
      group.addTask { try await plexus.passage(to: path.peer, continuing: path) }
      group.addTask {
        while let heard = await path.lastHeard(), heard <= start { try await Task.sleep(for: Self.lookEvery) }
        return nil
      }
      defer { group.cancelAll() }
      let first: Result<Passage?, any Error>
      do { first = .success(try await group.next() ?? nil) } catch { first = .failure(error) }
      group.cancelAll()
      // A passage that was made in the same moment must not keep its port.
      while let late = try? await group.next() { await late?.close() }
      return try first.get()
    }
  }
}
