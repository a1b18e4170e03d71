import Identity
import Logging
import PlexusTesting
import Testing

@testable import RendezvousDHT

@Suite("Waiting for answers", .timeLimit(.minutes(2)))
struct AnswerDeskTests {
  @Test("However many invites wait, one listen under each key serves them, and each gets what carries its number")
  func oneListen() async throws {
    let (ann, bob) = try (Cast.ann.get(), Cast.bob.get())
    try await TestNetwork.run { network in
      let (own, peer) = try await (network.node(), network.node())
      defer {
        own.stop()
        peer.stop()
      }
      let keys = ["accept", "decline"].map { key(to: ann, $0) }
      let desk = AnswerDesk(node: own, keys: keys)
      let inboxes = (0..<10).map { _ in ValueInbox(logger: Logger(label: "test") { _ in LogRecorder() }) }
      for (number, inbox) in inboxes.enumerated() { desk.register(inbox, for: UInt64(100 + number)) }
      #expect(own.listenCount == keys.count)

      for (number, inbox) in inboxes.enumerated().dropLast() {
        peer.put(try SealedValue(raw: [1], signedBy: bob, id: UInt64(100 + number)), at: keys[number % 2])
        #expect(await ids(1, in: inbox) == [UInt64(100 + number)])
        desk.unregister(inbox)
      }

      // One that comes late asks for what was there before.
      let late = ValueInbox(logger: Logger(label: "test") { _ in LogRecorder() })
      desk.register(late, for: 103)
      desk.askAgain(for: late)
      #expect(await ids(1, in: late) == [103])

      // Whoever still waits is told of the end, and whoever comes after it.
      desk.close()
      #expect(own.listenCount == 0)
      #expect(await ids(1, in: inboxes[9]).isEmpty)
      let after = ValueInbox(logger: Logger(label: "test") { _ in LogRecorder() })
      desk.register(after, for: 200)
      #expect(await ids(1, in: after).isEmpty)
    }
  }

  /// The numbers of the next values, fewer where the inbox is closed.
  private func ids(_ count: Int, in inbox: ValueInbox) async -> [UInt64] {
    var ids: [UInt64] = []
    await inbox.forEach { value, _ in
      ids.append(value.id)
      return ids.count < count
    }
    return ids
  }
}
