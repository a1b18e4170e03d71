import Datagrams
import Foundation
import HolePunching
import Identity
import Logging
import MetricsTestKit
import PlexusTesting
import RendezvousDHT
import STUN
import Synchronization
import Testing

@testable import Plexus

@Suite(.timeLimit(.minutes(2))) struct TelemetryTests {
  @Test func passagesAndInvitationsAreCountedOnBothSides() async throws {
    try await World.run { world in
      let (alices, bobs) = (TestMetrics(), TestMetrics())
      let (made, feed) = AsyncStream.makeStream(of: Void.self)
      try await world.whileBobAccepts(
        world.plexus(World.bob, metrics: bobs),
        perform: { passage in
          await passage.close()
          feed.yield()
        }
      ) {
        let passage = try await world.plexus(World.alice, metrics: alices).invite(IdentityName(World.bob))
        await passage.close()
        // Bob may be a moment behind.
        _ = await made.first { _ in true }
      }
      for (metrics, role, direction) in [(alices, "inviting", "sent"), (bobs, "accepting", "received")] {
        #expect(try metrics.expectCounter("plexus_passages_total", [("role", role)]).totalValue == 1)
        #expect(try metrics.expectCounter("plexus_invites_total", [("direction", direction)]).totalValue == 1)
        #expect(try metrics.expectTimer("plexus_passage_time", [("role", role)]).values.count == 1)
        #expect(try metrics.expectCounter("plexus_explorations_total", [("outcome", "mapped")]).totalValue >= 1)
      }
    }
  }

  @Test func failuresAreCountedByReason() async throws {
    try await World.run { world in
      let metrics = TestMetrics()
      let alice = try world.plexus(World.alice, metrics: metrics) { $0.responseTimeout = .milliseconds(50) }
      await #expect(throws: PlexusError.self) { try await alice.invite(IdentityName(World.bob)) }
      let failures = try metrics.expectCounter(
        "plexus_failures_total", [("role", "inviting"), ("reason", "unanswered")])
      #expect(failures.totalValue == 1)
    }
  }

  @Test func everyLineHasItsEventAndIsDocumented() async throws {
    let documented = try Self.documentedEvents()
    try await World.run { world in
      let log = LogRecorder()
      let payload = try Payload(command: "true")
      try await world.whileBobAccepts(
        world.plexus(World.bob, log: log),
        perform: { passage in
          try await passage.awaitEnd(of: passage.start(payload), started: payload)
        }
      ) {
        let passage = try await world.plexus(World.alice, log: log).invite(IdentityName(World.bob))
        try await passage.awaitEnd(of: passage.start(payload), started: payload)
      }
      let events = log.events
      #expect(!events.contains("") && Set(events).isSubset(of: documented), "\(Set(events).subtracting(documented))")
      for event in ["accept.start", "invite.start", "invite.answered", "path.found", "passage.made", "payload.ended"] {
        #expect(events.contains(event))
      }
    }
  }

  /// The first column of the table in docs/logs.md.
  private static func documentedEvents() throws -> Set<String> {
    let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../docs/logs.md")
    let lines = try String(contentsOf: page, encoding: .utf8).split(separator: "\n")
    return Set(
      lines.filter { $0.hasPrefix("| `") }.compactMap { $0.split(separator: "`").dropFirst().first.map(String.init) })
  }
}
