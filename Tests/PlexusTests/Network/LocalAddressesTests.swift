import Datagrams
import Testing

@testable import Plexus

@Suite struct LocalAddressesTests {
  private func chosen(_ addresses: [String], route: String? = nil) -> [String] {
    LocalAddresses.choose(from: addresses.compactMap { IPAddress($0) }) { family in
      route.flatMap { IPAddress($0) }.flatMap { $0.family == family ? $0 : nil }
    }.map(\.description)
  }

  @Test func allGlobalAddressesServeAndPrivateOnesThenDoNot() {
    #expect(
      chosen(["127.0.0.1", "10.0.0.5", "192.0.2.1", "192.0.2.2", "::1", "fe80::1", "fd00::1", "2001:db8::1"])
        == ["192.0.2.1", "192.0.2.2", "2001:db8::1"])
  }

  @Test func amongPrivateOnesTheOneOfTheDefaultRouteServes() {
    #expect(chosen(["172.17.0.1", "192.168.1.7", "100.64.0.1"], route: "192.168.1.7") == ["192.168.1.7"])
    #expect(chosen(["172.17.0.1", "192.168.1.7"]) == ["172.17.0.1"])
  }

  @Test func neitherLoopbackNorLinkLocalAddressesServe() {
    #expect(chosen(["127.0.0.1", "169.254.3.4", "::1", "fe80::1"]).isEmpty)
  }

  @Test(
    arguments: [
      ("10.255.0.1", .private), ("172.15.0.1", .global), ("172.31.255.1", .private), ("172.32.0.1", .global),
      ("192.168.0.1", .private), ("100.63.0.1", .global), ("100.127.0.1", .private), ("100.128.0.1", .global),
      ("169.254.0.1", .linkLocal), ("127.9.9.9", .loopback), ("fe80::1", .linkLocal), ("febf::1", .linkLocal),
      ("fec0::1", .global), ("fd12::1", .private), ("::1", .loopback), ("2001:db8::1", .global),
    ] as [(String, IPAddress.Scope)])
  func theScopeOfAnAddressIsThatOfItsRange(text: String, scope: IPAddress.Scope) throws {
    #expect(try #require(IPAddress(text)).scope == scope)
  }

  @Test func addressesThatWillGoOrAreNotReadyAreKnownByTheirFlags() {
    func unsteady(_ flags: String) -> String? {
      LocalAddresses.unsteadyAddress(in: "20010db8000000000000000000000001 02 40 00 \(flags)     eth0\n")?.description
    }
    #expect(unsteady("01") == "2001:db8::1" && unsteady("20") != nil && unsteady("40") != nil)
    #expect(unsteady("80") == nil && unsteady("00") == nil)
    #expect(LocalAddresses.unsteadyAddress(in: "nonsense") == nil)
  }
}
