import DatagramSockets
import Datagrams
import Foundation
import Identity
import PlexusTesting
import Rendezvous
import RendezvousDHT
import Testing

@testable import Plexus

/// Each way to fail says what happened and what to do. The command line only adds the exit status (`CommandLineTests`).
@Suite(.timeLimit(.minutes(2))) struct FailureTests {
  private func expect(
    _ code: PlexusError.Code, _ words: String..., from body: () async throws -> Void,
    at location: SourceLocation = #_sourceLocation
  ) async {
    let error = await #expect(throws: PlexusError.self, sourceLocation: location) { try await body() }
    #expect(error?.code == code, sourceLocation: location)
    let text = error.map(String.init(describing:)) ?? ""
    for word in words { #expect(text.contains(word), "\(text)", sourceLocation: location) }
    #expect(!text.contains("\n"), sourceLocation: location)
  }

  @Test func aPeerWithoutCertificateIsUnknown() async throws {
    try await World.run { world in
      await expect(.unknownPeer, "eve@example.org/den") {
        _ = try await world.plexus(World.alice).invite(IdentityName("eve@example.org/den"))
      }
    }
  }

  /// Programs show the two apart; people read them in one line.
  @Test func whatToDoStandsApartFromWhatHappened() async throws {
    try await World.run { world in
      let error = await #expect(throws: PlexusError.self) {
        _ = try await world.plexus(World.alice).invite(IdentityName("eve@example.org/den"))
      }
      #expect(error?.advice.hasPrefix("import its certificate") == true)
      #expect(error.map { "\($0.message); \($0.advice)" == "\($0)" && !$0.message.contains("; ") } == true)
    }
  }

  @Test(arguments: ["", String(repeating: "x", count: 256)])
  func aNameThatFitsIntoNoMessageIsToldAtOnce(application: String) async throws {
    try await World.run { world in
      await expect(.invalidOption, "1 to 255 bytes") {
        _ = try world.plexus(World.alice) { $0.application = application }
      }
    }
  }

  @Test func aCertificateThatIsNoneIsUnusable() async throws {
    try await World.run { world in
      try Data("nonsense".utf8).write(
        to: URL(fileURLWithPath: "\(world.repository(of: World.alice))/\(World.bob)/cert.crt"))
      await expect(.unusableIdentity, World.bob) {
        _ = try await world.plexus(World.alice).invite(IdentityName(World.bob))
      }
    }
  }

  @Test func aMissingPrivateKeyIsTold() async throws {
    try await World.run { world in
      try FileManager.default.removeItem(atPath: "\(world.repository(of: World.alice))/\(World.alice)/private.key")
      await expect(.unusableIdentity, World.alice, "private") { _ = try world.plexus(World.alice) }
    }
  }

  @Test func anInvitationThatNobodyAnswersEndsInTime() async throws {
    try await World.run { world in
      await expect(.unanswered, World.bob) {
        let alice = try world.plexus(World.alice) { $0.responseTimeout = .milliseconds(200) }
        _ = try await alice.invite(IdentityName(World.bob))
      }
    }
  }

  @Test func aSilentSTUNServerIsNamed() async throws {
    try await World.run { world in
      let silent = try await UDPSocket.bind(to: Endpoint(address: .v4(0x7F00_0001), port: 0))
      await expect(.noSTUNAnswer, "127.0.0.1:\(silent.localEndpoint.port)", "did not answer") {
        let alice = try world.plexus(World.alice) {
          $0.stunServers = [HostAndPort(host: "127.0.0.1", port: silent.localEndpoint.port)]
        }
        _ = try await alice.invite(IdentityName(World.bob))
      }
      await silent.close()
    }
  }

  @Test func aSTUNServerWhoseNameIsUnknownIsNamed() async throws {
    try await World.run { world in
      await expect(.noSTUNAnswer, "no.such.host.invalid") {
        let alice = try world.plexus(World.alice) {
          $0.stunServers = [HostAndPort(host: "no.such.host.invalid", port: nil)]
        }
        _ = try await alice.invite(IdentityName(World.bob))
      }
    }
  }

  @Test func behindASymmetricNATThePublicEndpointAloneIsNoUse() async throws {
    try await World.run { world in
      try await withLyingSTUNServer(try symmetric()) { servers in
        try await world.whileBobAccepts(try world.plexus(World.bob)) {
          await expect(.symmetricNAT, "symmetric") {
            let alice = try world.plexus(World.alice) {
              $0.stunServers = servers
              $0.ways = .publicEndpoint
            }
            _ = try await alice.invite(IdentityName(World.bob))
          }
        }
      }
    }
  }

  @Test func twoPeersThatTellAllTheirWaysNeedNoPublicEndpoint() async throws {
    try await World.run { world in
      try await withLyingSTUNServer(try symmetric()) { servers in
        try await world.whileBobAccepts(try world.plexus(World.bob)) {
          let alice = try world.plexus(World.alice) { $0.stunServers = servers }
          let passage = try await alice.invite(IdentityName(World.bob))
          await passage.close()
        }
      }
    }
  }

  @Test func anAcceptorBehindASymmetricNATTellsTheInviter() async throws {
    try await World.run { world in
      try await withLyingSTUNServer(try symmetric()) { servers in
        let log = LogRecorder()
        let bob = try world.plexus(World.bob, log: log) { $0.stunServers = servers }
        try await world.whileBobAccepts(bob) {
          await expect(.declined, World.bob, "symmetric") {
            let alice = try world.plexus(World.alice) { $0.ways = .publicEndpoint }
            _ = try await alice.invite(IdentityName(World.bob))
          }
          #expect(log.text.contains("symmetric"))
        }
      }
    }
  }

  @Test func aPeerWhoseDatagramsDoNotArriveIsNotReached() async throws {
    try await World.run { world in
      let deaf = try await UDPSocket.bind(to: Endpoint(address: .v4(0x7F00_0001), port: 0))
      try await withLyingSTUNServer([deaf.localEndpoint]) { servers in
        // Bob is told a wrong public endpoint, as a NAT would give it that forgets its mapping.
        let bob = try world.plexus(World.bob) {
          $0.stunServers = servers
          $0.handshakeTimeout = .milliseconds(300)
          $0.ways = .publicEndpoint
        }
        try await world.whileBobAccepts(bob) {
          await expect(.peerNotReached, "\(deaf.localEndpoint)") {
            let alice = try world.plexus(World.alice) { $0.handshakeTimeout = .milliseconds(300) }
            _ = try await alice.invite(IdentityName(World.bob))
          }
        }
      }
      await deaf.close()
    }
  }

  @Test func aDHTThatCannotBeJoinedIsTold() async throws {
    try await World.run { world in
      let silent = try await UDPSocket.bind(to: Endpoint(address: .v4(0x7F00_0001), port: 0))
      await expect(.rendezvousUnreachable, "127.0.0.1:\(silent.localEndpoint.port)") {
        let alice = try world.plexus(World.alice) {
          $0.dht.bootstrap = [HostAndPort(host: "127.0.0.1", port: silent.localEndpoint.port)]
        }
        _ = try await alice.invite(IdentityName(World.bob))
      }
      await silent.close()
    }
  }

  @Test func takenPortsAreTold() async throws {
    try await World.run { world in
      let taken = try await UDPSocket.bind(to: Endpoint(address: .v4(0x7F00_0001), port: 0))
      await expect(.portTaken, "\(taken.localEndpoint.port)") {
        _ = try await world.plexus(World.alice) { $0.localEndpoint = taken.localEndpoint }.invite(
          IdentityName(World.bob))
      }
      await expect(.portTaken, "\(taken.localEndpoint.port)", "--dht-port") {
        _ = try await world.plexus(World.alice) { $0.dht.port = .fixed(taken.localEndpoint.port) }
          .invite(IdentityName(World.bob))
      }
      await taken.close()
    }
  }

  @Test func aPayloadThatCannotStartFailsItsPassageOnly() async throws {
    try await World.run { world in
      let log = LogRecorder()
      let payload = try Payload(command: "/no/such/program")
      try await world.whileBobAccepts(
        try world.plexus(World.bob, log: log), perform: { _ = try await $0.start(payload) }
      ) {
        for _ in 1...2 {
          let passage = try await world.plexus(World.alice).invite(IdentityName(World.bob))
          await expect(.payloadNotStarted, "/no/such/program") { _ = try await passage.start(payload) }
        }
        try await log.wait(for: "is there, but the payload /no/such/program cannot be started")
      }
    }
  }

  private func symmetric() throws -> [Endpoint] {
    [try #require(Endpoint("203.0.113.5:1000")), try #require(Endpoint("203.0.113.5:2000"))]
  }
}
