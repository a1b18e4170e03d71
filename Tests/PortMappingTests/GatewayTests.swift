import Datagrams
import Testing

@testable import PortMapping

@Suite struct GatewayTests {
  // As the kernel of a little-endian machine writes them.
  @Test func theDefaultRouteIsRead() throws {
    let line = "eth0\t00000000\t010012C6\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
    let route = try #require(DefaultGateway.gateway(in: line))
    #expect(route.gateway == IPAddress("198.18.0.1") && route.metric == 100)
  }

  @Test(arguments: [
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT",
    "eth0\t000012C6\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0",
    "tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0",
    "tun0\t00000000\t010012C6\t0003\t0\t0\t0\t00000080\t0\t0\t0", "", "x",
  ])
  func otherRoutesAreNone(_ line: String) { #expect(DefaultGateway.gateway(in: line) == nil) }
}
