import CLISupport
import Datagrams
import Foundation
import Identity
import Testing

@testable import Plexus
@testable import PlexusCLI

/// The options of `plexus doctor`, and how it says what it has found.
@Suite struct DoctorTests {
  private func settings(_ arguments: [String]) throws -> DoctorSettings {
    try DoctorSettings(DoctorOptions.parse(arguments), environment: Environment(variables: ["HOME": "/home/alice"]))
  }

  @Test func theOptionsMayStandInTheFileOfPlexus() throws {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("plexus-\(UUID().uuidString).conf")
    try """
    app-id = demo
    app-repo = /identities
    host-info = alice@example.org/desk
    peer-info = @example.org
    stun-server = 192.0.2.7
    dht-network = 7
    export = 127.0.0.1:22
    """.write(to: file, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(at: file) }
    let diagnosis = try settings(["--config", file.path]).diagnosis
    #expect(diagnosis.repositoryPath == "/identities" && diagnosis.host?.description == "alice@example.org/desk")
    #expect(diagnosis.configuration.stunServers.map(\.description) == ["192.0.2.7"])
    #expect(diagnosis.configuration.dht.network == 7 && diagnosis.peer == nil)
    #expect(diagnosis.configuration.stateFolder == "/home/alice/.local/state/plexus")
    let mine = try settings([
      "--config", file.path, "--app-repo=/other", "--peer", "bob@example.org/lab", "--peer-traits=cone/open",
    ]).diagnosis
    #expect(mine.repositoryPath == "/other" && mine.peer?.description == "bob@example.org/lab")
    #expect(mine.peerTraits?.description == "cone/open")
  }

  @Test func whatAPassageCannotDoWithoutMayBeMissing() throws {
    let diagnosis = try settings([]).diagnosis
    #expect(diagnosis.configuration.stunServers.isEmpty && diagnosis.repositoryPath == ".")
  }

  @Test(
    arguments: [
      (["--peer=bob"], "OWNER/PIN"), (["--peer-traits=cone"], "--peer-traits"),
      (["--stun-server=a b:99999"], "--stun-server"),
      (["--dht-network=x"], "--dht-network"), (["--log-level=x"], "--log-level"),
      (["--email-login=x"], "--email-smtps"),
    ])
  func aBadOptionIsNamed(arguments: [String], named: String) {
    #expect { _ = try settings(arguments) } throws: { "\($0)".contains(named) }
  }

  @Test func aFindingIsALineAndItsAdviceAnother() {
    let lines = DiagnosisText.lines(
      of: DiagnosisFinding(.stun, .warning, "a.example says \u{1B}[2Jnothing", advice: "name another")
    ).split(separator: "\n").map(String.init)
    #expect(lines.count == 2)
    #expect(lines[0] == "warning  STUN             a.example says [2Jnothing")
    #expect(lines[1].hasSuffix("→ name another"))
    #expect(DiagnosisText.lines(of: DiagnosisFinding(.dht, .ok, "fine")) == "ok       DHT              fine")
  }

  @Test func theSummaryTellsTraitsExpectationsAndFailures() throws {
    let own = try #require(NetworkTraits("symmetric/port-restricted/random"))
    var report = DiagnosisReport()
    report.ownTraits = own
    report.predictions = PassagePrediction.kinds.map { PassagePrediction(own: own, peer: $0.traits) }
    report.failures = [
      FailedPassage(
        PlexusError(.unanswered, "bob did not answer"), with: try IdentityName("bob@example.org/lab"), as: .inviting,
        at: Date(timeIntervalSince1970: 1_700_000_000))
    ]
    let text = DiagnosisText.summary(of: report, peerTraits: nil)
    for part in [
      "Tell your peer: symmetric/port-restricted/random\n", "that is not symmetric (as most at home) is reached",
      "No passage with a peer behind a symmetric NAT that gives random ports",
      "2023-11-14T22:13:20Z inviting bob@example.org/lab: bob did not answer", "All that is needed works.",
    ] { #expect(text.contains(part), "\(text)") }
    report.findings = [DiagnosisFinding(.dht, .problem, "no node answers")]
    #expect(DiagnosisText.summary(of: report, peerTraits: own).contains("1 thing that is needed does not work"))
  }

  @Test func theWaysOfAPassageAreAllOrThePublicAddress() throws {
    func ways(_ arguments: [String]) throws -> PlexusConfiguration.Ways {
      var configuration = PlexusConfiguration(application: "a", stunServers: [], stateFolder: "/")
      try configuration.apply(PlexusOptions.parse(arguments))
      return configuration.ways
    }
    #expect(try ways([]) == .all && ways(["--ways=all"]) == .all && ways(["--ways", "public"]) == .publicEndpoint)
    #expect { _ = try ways(["--ways=none"]) } throws: { "\($0)".contains("--ways is all or public") }
  }
}
