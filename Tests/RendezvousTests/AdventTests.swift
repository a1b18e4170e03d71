import Rendezvous
import Testing

@testable import RendezvousDHT

@Suite(.timeLimit(.minutes(3))) struct AdventTests {
  @Test func presenceIsToldOverTheDHT() async throws {
    let (ann, bob) = (try Cast.ann.get(), try Cast.bob.get())
    try await TestNetwork.run { network in
      try await network.join(as: bob, knowing: [ann]) { bobs in
        let notices = bobs.rendezvous.advents(application: "app", from: .any)
        try await network.join(as: ann, knowing: [bob]) { anns in
          var advents = notices.makeAsyncIterator()
          for _ in 1...2 {
            try await anns.rendezvous.announce(to: bob.identity, application: "app")
            #expect(try await advents.next()?.peer == ann.identity)
          }
        }
      }
    }
  }

  @Test(arguments: [
    "PLEXUS 3.0 0.0.0.0 0 0", " PLEXUS 3.0 0.0.0.0 0 0\r\n", "PLEXUS 3.4 :: 0 0 more", AdventNotice.line,
  ])
  func noticesAreRead(line: String) { #expect(AdventNotice.isNotice(line)) }

  @Test(
    arguments: [
      "", "PLEXUS 3.0 192.0.2.1 0 0", "PLEXUS 3.0 0.0.0.0 1 0", "PLEXUS 3.0 0.0.0.0 0 1", "PLEXUS 3.0 0.0.0.0 0",
      "PLEXUS",
      "PLEXUS 4.0 0.0.0.0 0 0",
    ])
  func otherTextsAreNone(line: String) {
    #expect(!AdventNotice.isNotice(line))
    // And a notice is no reference.
    #expect(throws: ReferenceError.self) { try Reference(line: AdventNotice.line) }
  }
}
