import Datagrams
import Foundation
import Testing

@testable import STUN

@Suite struct NetworkReportTests {
  private static func report(_ mapping: MappingBehavior, _ filtering: FilteringBehavior) -> NetworkReport {
    NetworkReport(local: .any(.v4), mapping: mapping, filtering: filtering, servers: [], duration: .zero)
  }

  @Test(
    arguments: [
      (.endpointIndependent, .endpointIndependent, .everyPeer, .measured),
      (.endpointIndependent, .addressDependent, .everyPeer, .measured),
      (.endpointIndependent, .addressAndPortDependent, .everyPeer, .measured),
      (.endpointIndependent, .unknown, .everyPeer, .likely),
      (.addressDependent, .endpointIndependent, .everyPeer, .measured),
      (.addressAndPortDependent, .addressAndPortDependent, .everyPeerButSymmetric, .measured),
      (.endpointDependent, .unknown, .everyPeerButSymmetric, .likely),
      (.unknown, .endpointIndependent, .unknown, .none),
    ] as [(MappingBehavior, FilteringBehavior, PunchProspect, Confidence)])
  func theProspectFollowsFromMappingAndFiltering(
    _ mapping: MappingBehavior, _ filtering: FilteringBehavior, _ prospect: PunchProspect, _ confidence: Confidence
  ) {
    let report = Self.report(mapping, filtering)
    #expect(report.prospect == prospect)
    #expect(report.confidence == confidence)
  }

  @Test func theReportIsEncodedWithEndpointsAsTextAndGapsAsNull() throws {
    let endpoint = try #require(Endpoint("192.0.2.1:3478"))
    var report = Self.report(.endpointIndependent, .unknown)
    report.publicEndpoint = endpoint
    report.duration = .milliseconds(12)
    report.servers = [
      STUNServerReport(
        server: STUNServer(endpoint: endpoint), outcome: .answered(roundTrip: .milliseconds(7)), mapped: endpoint,
        software: "x\u{7}", filtering: .unknown)
    ]
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let text = String(decoding: try encoder.encode(report), as: UTF8.self)
    #expect(text.contains(#""hairpins":null"#))
    #expect(text.contains(#""publicEndpoint":"192.0.2.1:3478""#))
    #expect(text.contains(#""milliseconds":12,"#))
    #expect(text.contains(#""software":"x?""#))
    #expect(text.contains(#""outcome":"answered""#))
    #expect(text.contains(#""words":"answered after 0.007 s""#))
  }

  @Test func outcomesReadAsTheEndOfASentence() {
    #expect(STUNServerOutcome.silent(for: .milliseconds(1500)).description == "did not answer within 1.5 s")
    #expect(STUNServerOutcome.silent(for: .seconds(3)).description == "did not answer within 3 s")
    #expect(STUNServerOutcome.unreachable("no route").description == "cannot be reached: no route")
  }
}
