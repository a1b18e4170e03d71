import DatagramSockets
import Datagrams
import Foundation
import HolePunching
import Identity
import PlexusTesting
import Synchronization
import Testing

@testable import Plexus
@testable import STUN

/// A diagnosis on loopback, where all is well or one thing is not.
@Suite(.timeLimit(.minutes(2))) struct DiagnosisTests {
  private func diagnose(
    _ world: World, _ configure: @escaping @Sendable (inout Diagnosis) throws -> Void = { _ in }
  ) async throws -> DiagnosisReport {
    let plexus = try world.plexus(World.alice)
    var diagnosis = Diagnosis(
      repositoryPath: world.repository(of: World.alice), host: try IdentityName(World.alice),
      configuration: plexus.configuration)
    try configure(&diagnosis)
    return try await diagnosis.run()
  }

  private func verdicts(_ report: DiagnosisReport, _ layer: DiagnosisFinding.Layer) -> Set<DiagnosisFinding.Verdict> {
    Set(report.findings.filter { $0.layer == layer }.map(\.verdict))
  }

  private func words(_ report: DiagnosisReport, _ layer: DiagnosisFinding.Layer) -> String {
    report.findings.filter { $0.layer == layer }.map { "\($0.found); \($0.advice)" }.joined(separator: "\n")
  }

  @Test func whereAllWorksAllIsSaidToWork() async throws {
    try await World.run { world in
      let told = Mutex(0)
      let report = try await world.plexus(World.alice).diagnose(peer: IdentityName(World.bob)) { _ in
        told.withLock { $0 += 1 }
      }
      #expect(told.withLock { $0 } == report.findings.count)
      for layer in [DiagnosisFinding.Layer.identity, .clock, .stun, .nat, .dht, .peer] {
        #expect(verdicts(report, layer) == [.ok], "\(words(report, layer))")
      }
      #expect(words(report, .identity).contains("the certificates of 1 peer;"))
      #expect(words(report, .dht).contains("was found by another"))
      #expect(report.ownTraits?.nat.isSymmetric == false)
      #expect(report.predictions.count == 6 && report.predictions.allSatisfy(\.succeeds))
      #expect(report.duration < .seconds(10))
    }
  }

  @Test func aDeadDHTAndADeadSTUNServerAreTold() async throws {
    try await World.run { world in
      let silent = try await UDPSocket.bind(to: Endpoint(address: .v4(0x7F00_0001), port: 0))
      let dead = HostAndPort(host: "127.0.0.1", port: silent.localEndpoint.port)
      let report = try await diagnose(world) {
        $0.configuration.stunServers = [dead]
        $0.configuration.dht.bootstrap = [dead, HostAndPort(host: "no.such.host.invalid", port: nil)]
      }
      await silent.close()
      #expect(!report.works && report.ownTraits == nil && report.predictions.isEmpty)
      #expect(words(report, .stun).contains("\(dead) did not answer"))
      #expect(words(report, .nat).contains("UDP seems to be blocked altogether"))
      #expect(
        words(report, .dht).contains("no.such.host.invalid") && words(report, .dht).contains("\(dead) did not answer"))
      #expect(report.duration < .seconds(10))
    }
  }

  @Test func whereOnlyTheDHTAnswersUDPIsNotBlamed() async throws {
    try await World.run { world in
      let silent = try await UDPSocket.bind(to: Endpoint(address: .v4(0x7F00_0001), port: 0))
      let dead = HostAndPort(host: "127.0.0.1", port: silent.localEndpoint.port)
      let report = try await diagnose(world) { $0.configuration.stunServers = [dead] }
      await silent.close()
      #expect(words(report, .nat).contains("UDP passes, for the DHT answers") && verdicts(report, .dht) == [.ok])
    }
  }

  @Test func oneSTUNServerThatIsDeadIsAWarning() async throws {
    try await World.run { world in
      let report = try await diagnose(world) {
        $0.configuration.stunServers.append(HostAndPort(host: "no.such.host.invalid", port: nil))
      }
      #expect(verdicts(report, .stun) == [.ok, .warning], "\(words(report, .stun))")
    }
  }

  @Test func withoutARepositoryOrAServerTheRestIsLookedAtAllTheSame() async throws {
    try await World.run { world in
      let report = try await diagnose(world) {
        $0.repositoryPath = "/no/such/folder"
        $0.configuration.stunServers = []
      }
      #expect(verdicts(report, .identity) == [.problem] && verdicts(report, .stun) == [.problem])
      #expect(words(report, .identity).contains("/no/such/folder") && words(report, .stun).contains("--stun-server"))
      #expect(verdicts(report, .dht) == [.ok])
    }
  }

  @Test func identitiesThatCannotBeUsedAreNamed() async throws {
    try await World.run { world in
      let folder = world.repository(of: World.alice)
      try FileManager.default.setAttributes(
        [.posixPermissions: 0o644], ofItemAtPath: "\(folder)/\(World.alice)/private.key")
      try Data("nonsense".utf8).write(to: URL(fileURLWithPath: "\(folder)/\(World.bob)/cert.crt"))
      let report = try await diagnose(world) {
        $0.configuration.stunServers = []
        $0.configuration.dht.bootstrap = []
        $0.peer = try IdentityName("eve@example.org/den")
      }
      let told = words(report, .identity)
      #expect(told.contains("chmod 600") && told.contains("\(World.bob) cannot be met"), "\(told)")
      #expect(told.contains("holds no usable certificate"))
      #expect(verdicts(report, .peer) == [.problem] && words(report, .peer).contains("eve@example.org/den"))
    }
  }

  @Test func theFailuresWithThePeerAreShown() async throws {
    try await World.run { world in
      let alice = try world.plexus(World.alice) { $0.responseTimeout = .milliseconds(200) }
      _ = try? await alice.invite(IdentityName(World.bob))
      _ = try? await alice.invite(IdentityName("eve@example.org/den"))
      let all = try await alice.diagnose()
      #expect(all.failures.map(\.code) == [.unanswered, .unknownPeer])
      let one = try await alice.diagnose(peer: IdentityName(World.bob))
      #expect(one.failures.map(\.peer.description) == [World.bob])
    }
  }

  @Test(arguments: [("symmetric/port-restricted/random", "portSearch"), ("cone/open,ipv6", "direct")])
  func aPeersTraitsArePredicted(_ text: String, _ way: String) async throws {
    try await World.run { world in
      let traits = try #require(NetworkTraits(text))
      let report = try await diagnose(world) { $0.peerTraits = traits }
      let prediction = try #require(report.predictions.first)
      // Loopback has a filter that no server of one address and port pair can test.
      #expect(report.predictions.count == 1 && prediction.succeeds)
      #expect(["direct", "punched", way].contains(prediction.path.way.rawValue))
      #expect(prediction.sentence.contains(text))
    }
  }

  @Test func twoRandomSymmetricNATsAreHopelessUnlessBothHaveIPv6() throws {
    let text = "symmetric/port-restricted/random"
    let (without, with) = (try #require(NetworkTraits(text)), try #require(NetworkTraits(text + ",ipv6")))
    #expect(!PassagePrediction(own: without, peer: with).succeeds)
    #expect(PassagePrediction(own: without, peer: with).sentence.contains("no passage"))
    #expect(PassagePrediction(own: with, peer: with).succeeds)
    #expect(PassagePrediction(own: with, peer: with).sentence.contains("over IPv6"))
    #expect(with.description == text + ",ipv6" && NetworkTraits("cone/open,ipv6,ipv6") == nil)
  }

  @Test func aRouterThatForwardsPortsIsEnough() throws {
    let text = "symmetric/port-restricted/random"
    let (without, with) = (try #require(NetworkTraits(text)), try #require(NetworkTraits(text + ",ipv6,forwarding")))
    for prediction in [PassagePrediction(own: with, peer: without), PassagePrediction(own: without, peer: with)] {
      #expect(prediction.succeeds && prediction.sentence.contains("at a forwarded port"))
    }
    #expect(with.description == text + ",ipv6,forwarding" && NetworkTraits(text + ",forwarding,ipv6") == nil)
  }

  @Test func aRouterWhoseAddressTheInternetDoesNotSeeIsBehindAnother() {
    let (inner, outer) = (IPAddress.v4(0x6440_0002), IPAddress.v4(0xCB00_7101))
    #expect(Diagnosis.secondNAT(external: inner, seen: outer)?.found.contains("two NATs in a row") == true)
    #expect(Diagnosis.secondNAT(external: outer, seen: outer) == nil)
    #expect(Diagnosis.secondNAT(external: nil, seen: outer) == nil)
  }

  /// The words of `plexus explore` and the plan are two: they must agree.
  @Test func theProspectIsWhatThePlanGives() throws {
    for filtering in FilteringBehavior.allCases {
      for mapping in [MappingBehavior.endpointIndependent, .endpointDependent] {
        let report = NetworkReport(
          local: .any(.v4), mapping: mapping, filtering: filtering, servers: [], duration: .zero)
        let own = NATTraits(mapping: mapping, filtering: filtering, allocation: .random)
        let ways = PassagePrediction.kinds.map { PathPrediction(own: own, peer: $0.traits.nat).way }
        #expect((report.prospect == .everyPeer) == !ways.contains(.none), "\(own)")
      }
    }
  }

  @Test func theJSONHasTheNamesOfTheDocumentation() async throws {
    try await World.run { world in
      let alice = try world.plexus(World.alice) { $0.responseTimeout = .milliseconds(200) }
      _ = try? await alice.invite(IdentityName(World.bob))
      let data = try JSONEncoder().encode(try await alice.diagnose())
      let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
      #expect(
        Set(object.keys) == [
          "format", "works", "findings", "traits", "predictions", "failures", "exploration", "milliseconds",
        ])
      let finding = try #require((object["findings"] as? [[String: Any]])?.first)
      #expect(Set(finding.keys).isSuperset(of: ["layer", "verdict", "found", "advice"]))
      let prediction = try #require((object["predictions"] as? [[String: Any]])?.first)
      #expect(
        Set(prediction.keys) == [
          "peer", "succeeds", "way", "ipv6", "forwardedPort", "typicalMilliseconds", "longestMilliseconds", "sentence",
        ])
      let failure = try #require((object["failures"] as? [[String: Any]])?.first)
      #expect(Set(failure.keys) == ["time", "peer", "role", "code", "message", "advice", "ownTraits", "peerTraits"])
    }
  }
}
