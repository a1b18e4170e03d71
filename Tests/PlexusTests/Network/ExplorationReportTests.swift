import Datagrams
import Foundation
import Testing

@testable import Plexus
@testable import STUN

/// Reports made up here, in words and as JSON.
@Suite struct ExplorationReportTests {
  private static func report(
    translated: Bool? = true, _ mapping: MappingBehavior, _ filtering: FilteringBehavior, hairpins: Bool? = true,
    public publicEndpoint: String? = "192.0.2.1:5000", servers: [STUNServerReport] = []
  ) -> NetworkReport {
    NetworkReport(
      local: .any(.v4), publicEndpoint: publicEndpoint.flatMap { Endpoint($0) }, isTranslated: translated,
      mapping: mapping, filtering: filtering, hairpins: hairpins, servers: servers, duration: .zero)
  }

  private static func words(_ report: NetworkReport) -> String {
    ExplorationReport(ipv4: .explored(report), ipv6: .absent(.noRoute), duration: .zero).sentences
      .joined(separator: " ")
  }

  @Test(
    arguments: [
      (
        false, .endpointIndependent, .endpointIndependent,
        ["no NAT", "everyone can send", "with every peer;", "observed"]
      ),
      (false, .endpointIndependent, .addressAndPortDependent, ["firewall", "with every peer;", "observed"]),
      (true, .endpointIndependent, .endpointIndependent, ["can be punched", "with every peer;", "observed"]),
      (
        true, .endpointIndependent, .addressAndPortDependent,
        ["can be punched", "with every peer; with one behind a symmetric NAT"]
      ),
      (true, .endpointIndependent, .unknown, ["can be punched", "with every peer;", "likely, not certain"]),
      (
        true, .addressAndPortDependent, .addressAndPortDependent,
        ["symmetric NAT", "but those behind a symmetric NAT", "forwarded UDP port"]
      ),
      (true, .unknown, .unknown, ["kind could not be observed", "worth a try", "second STUN server"]),
    ] as [(Bool, MappingBehavior, FilteringBehavior, [String])])
  func theWordsSayWhatTheNetworkDoes(
    _ isTranslated: Bool, _ mapping: MappingBehavior, _ filtering: FilteringBehavior, _ parts: [String]
  ) {
    let words = Self.words(Self.report(translated: isTranslated, mapping, filtering))
    for part in parts { #expect(words.contains(part), "\(words)") }
    #expect(words.hasSuffix("IPv6: this machine has no route to the STUN servers."))
  }

  @Test func aNATThatDoesNotHairpinIsNamed() {
    let words = Self.words(Self.report(.endpointIndependent, .endpointIndependent, hairpins: false))
    #expect(words.contains("behind this same NAT"))
  }

  @Test func withoutAnAnswerTheFailureNamesEachServer() throws {
    let endpoint = try #require(Endpoint("192.0.2.9:3478"))
    let silent = STUNServerReport(
      server: STUNServer(endpoint: endpoint), outcome: .silent(for: .milliseconds(1400)), filtering: .unknown)
    let report = ExplorationReport(
      ipv4: .explored(Self.report(.unknown, .unknown, public: nil, servers: [silent])), ipv6: .absent(.noServer),
      unresolved: [.init(name: HostAndPort(host: "nowhere.invalid", port: nil), reason: "Name or service not known")],
      duration: .zero)
    let failure = try #require(report.failure)
    #expect(failure.code == .noSTUNAnswer)
    for part in ["192.0.2.9:3478 did not answer within 1.4 s", "nowhere.invalid has no address", "UDP"] {
      #expect(failure.description.contains(part))
    }
  }

  @Test func withoutAnyRouteTheFailureSaysSo() {
    let report = ExplorationReport(ipv4: .absent(.noRoute), ipv6: .absent(.noRoute), duration: .zero)
    #expect(report.failure?.description.contains("no route") == true)
    #expect(report.decisive == nil)
  }

  @Test func whereOnlyIPv6AnswersItCounts() {
    let report = ExplorationReport(
      ipv4: .explored(Self.report(.unknown, .unknown, public: nil)),
      ipv6: .explored(
        Self.report(translated: false, .endpointIndependent, .unknown, public: "[2001:db8::1]:5000")), duration: .zero)
    #expect(report.failure == nil)
    #expect(report.decisive?.publicEndpoint?.description == "[2001:db8::1]:5000")
  }

  @Test func theJSONHasTheNamesOfTheDocumentation() throws {
    let endpoint = try #require(Endpoint("192.0.2.9:3478"))
    let server = STUNServerReport(
      server: STUNServer(endpoint: endpoint), outcome: .answered(roundTrip: .milliseconds(7)), mapped: endpoint,
      filtering: .unknown)
    let report = ExplorationReport(
      ipv4: .explored(Self.report(.endpointIndependent, .unknown, servers: [server])), ipv6: .absent(.leftOut),
      duration: .milliseconds(12))
    let object = try #require(
      try JSONSerialization.jsonObject(with: JSONEncoder().encode(report)) as? [String: Any])
    #expect(
      Set(object.keys) == ["format", "prospect", "confidence", "ipv4", "ipv6", "unresolved", "milliseconds"])
    #expect(object["format"] as? Int == 1 && object["prospect"] as? String == "everyPeer")
    let ipv6 = try #require(object["ipv6"] as? [String: Any])
    #expect(ipv6["state"] as? String == "leftOut" && ipv6["report"] is NSNull)
    let ipv4 = try #require(object["ipv4"] as? [String: Any])
    let inner = try #require(ipv4["report"] as? [String: Any])
    #expect(
      Set(inner.keys) == [
        "local", "publicEndpoint", "translated", "mapping", "filtering", "portPreserved", "addressVaries", "hairpins",
        "prospect", "confidence", "servers", "milliseconds",
      ])
    let first = try #require((inner["servers"] as? [[String: Any]])?.first)
    #expect(
      Set(first.keys) == [
        "server", "address", "outcome", "words", "milliseconds", "mapped", "other", "software", "filtering",
      ])
  }
}
