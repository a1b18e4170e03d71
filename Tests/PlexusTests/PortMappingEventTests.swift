import Foundation
import Logging
import MetricsTestKit
import PlexusTesting
import Testing

@testable import Plexus
@testable import PortMapping

@Suite struct PortMappingEventTests {
  @Test func theEventsAreDocumentedAndCounted() throws {
    let router = IPAddress.v4(0xC612_0001)
    let port = MappedPort(
      mappingProtocol: .natPMP, router: router, inner: 4000,
      external: Endpoint(address: .v4(0xCB00_710A), port: 5000), lifetime: .seconds(600))
    let error = PortMappingError(.refused, .natPMP, router, "it is not allowed to this host")
    let (log, metrics) = (LogRecorder(), TestMetrics())
    let telemetry = Telemetry(logger: Logger(label: "test") { _ in log }, metrics: metrics)
    let events: [PortMappingEvent] = [
      .made(port, after: .milliseconds(7)), .refused(error, by: .natPMP), .changed(port, from: port.external),
      .lost(port, error), .removed(port),
    ]
    for event in events { telemetry.tell(.portMapping(event)) }
    let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../docs/logs.md")
    let text = try String(contentsOf: page, encoding: .utf8)
    for event in events { #expect(text.contains("| `\(event.name)` |")) }
    for outcome in ["made", "refused", "lost"] {
      let counter = try metrics.expectCounter(
        "plexus_port_mappings_total", [("protocol", "nat-pmp"), ("outcome", outcome)])
      #expect(counter.totalValue == 1)
    }
    #expect(
      events[0].sentence == "The router 198.18.0.1 forwards 203.0.113.10:5000 to port 4000, by NAT-PMP, after 7 ms")
  }
}
