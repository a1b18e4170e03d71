import CLISupport
import Datagrams
import Foundation
import Plexus
import Testing

@testable import PlexusCLI
@testable import STUN

@Suite struct ExploreTests {
  @Test func theTableHasAColumnForEachFamilyAndALineForEachServer() throws {
    let endpoint = try #require(Endpoint("192.0.2.1:3478"))
    let name = HostAndPort(host: "stun.example.org", port: nil)
    let servers = [
      STUNServerReport(
        server: STUNServer(name: name, endpoint: endpoint), outcome: .answered(roundTrip: .milliseconds(7)),
        mapped: Endpoint("198.51.100.7:4000"), other: Endpoint("192.0.2.2:3479"), software: "x\u{1B}[2J",
        filtering: .addressDependent),
      STUNServerReport(
        server: STUNServer(endpoint: endpoint), outcome: .nonsense("a magic cookie"), filtering: .unknown),
    ]
    let network = NetworkReport(
      local: Endpoint(address: .v4(0x0A00_0001), port: 4000), publicEndpoint: Endpoint("198.51.100.7:4000"),
      isTranslated: true, mapping: .endpointIndependent, filtering: .addressDependent, isPortPreserved: true,
      addressVaries: false, hairpins: false, servers: servers, duration: .zero)
    let report = ExplorationReport(
      ipv4: .explored(network), ipv6: .absent(.noRoute),
      unresolved: [.init(name: HostAndPort(host: "gone.example", port: nil), reason: "no such name")], duration: .zero)
    let lines = ExplorationText(report).text.split(separator: "\n").map(String.init)
    #expect(lines[0].hasPrefix("IPv4: this network has a NAT that can be punched"))
    for line in [
      "IPv6: this machine has no route to the STUN servers.",
      "                    IPv4",
      "public address      198.51.100.7:4000",
      "NAT                 yes", "filtering           address-dependent", "hairpin             no",
      "punching            with everyone", "how sure            observed",
    ] {
      #expect(lines.contains(line), "\(lines.joined(separator: "\n"))")
    }
    let answered = try #require(lines.first { $0.hasPrefix("stun.example.org:3478 (192.0.2.1:3478)") })
    #expect(answered.contains("answered after 0.007 s, saw 198.51.100.7:4000, also answers from 192.0.2.2:3479"))
    #expect(lines.contains { $0.hasPrefix("192.0.2.1:3478 ") && $0.hasSuffix("answered nonsense: a magic cookie") })
    #expect(lines.contains { $0.hasPrefix("gone.example ") && $0.hasSuffix("has no address: no such name") })
    #expect(lines.allSatisfy { $0.allSatisfy { $0 >= " " } })
  }

  @Test func theOptionsMayStandInTheFileOfPlexus() throws {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("plexus-\(UUID().uuidString).conf")
    try "app-id = demo\nstun-server = 192.0.2.7\nudp-bind = 0.0.0.0:5000\nlog-level = debug".write(
      to: file, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(at: file) }
    let fromFile = try ExploreSettings(ExploreOptions.parse(["--config", file.path]))
    #expect(fromFile.exploration.stunServers.map(\.description) == ["192.0.2.7"])
    #expect(fromFile.exploration.local.description == "0.0.0.0:5000" && fromFile.logLevel == .debug)
    let mine = try ExploreSettings(ExploreOptions.parse(["--config", file.path, "--udp-stun=a.example:1,b.example"]))
    #expect(mine.exploration.stunServers.map(\.description) == ["a.example:1", "b.example"])
  }

  @Test(
    arguments: [
      ([], "--stun-server is missing"), (["--stun-server=a b:99999"], "--stun-server"),
      (["--stun-server=a", "--stun-client=nowhere"], "--stun-client"),
      (["--stun-server=a", "--log-level=loud"], "--log-level"),
    ])
  func aBadOptionOfExploreIsNamed(arguments: [String], named: String) {
    #expect { _ = try ExploreSettings(ExploreOptions.parse(arguments)) } throws: { "\($0)".contains(named) }
  }

  @Test func serveReadsItsOptions() throws {
    let settings = try ServeSettings(
      ServeOptions.parse([
        "--address", "192.0.2.1,192.0.2.2", "--address=2001:db8::1", "--stun-port=5000", "--dht-port=0",
        "--dht-network=7", "--dht-bootstrap=a.example", "--public-name=me.example",
      ]), environment: Environment(variables: ["XDG_CACHE_HOME": "/var/cache/me"]))
    #expect(settings.server.addresses.map(\.description) == ["192.0.2.1", "192.0.2.2", "2001:db8::1"])
    #expect(settings.server.stunPort == 5000 && settings.server.dhtPort == 0 && settings.server.dhtNetwork == 7)
    #expect(settings.server.dhtBootstrap.map(\.description) == ["a.example"])
    #expect(settings.server.publicName == "me.example" && settings.server.cacheFolder == "/var/cache/me/plexus")
  }

  @Test(
    arguments: [
      ("--address=host.example", "--address"), ("--stun-port=70000", "--stun-port"), ("--dht-port=x", "--dht-port"),
      ("--dht-network=-1", "--dht-network"), ("--public-name=a:1", "--public-name"), ("--log-level=x", "--log-level"),
    ])
  func aBadOptionOfServeIsNamed(argument: String, named: String) {
    #expect {
      _ = try ServeSettings(ServeOptions.parse([argument]), environment: Environment(variables: [:]))
    } throws: { "\($0)".contains(named) }
  }
}
