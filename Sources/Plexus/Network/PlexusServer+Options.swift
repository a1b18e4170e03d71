import Datagrams
import RendezvousDHT
import STUN

extension PlexusServer {
  /// The options of `plexus` that make it use this server alone, a list for each way in: the public name, or else IPv4 and
  /// IPv6, whichever are served.
  public var clientOptions: [[String]] {
    if let name = configuration.publicName {
      let stun = stunEndpoints.first.map { HostAndPort(host: name, port: $0.port).text(unless: STUNServer.defaultPort) }
      let dht = dhtEndpoints.first.map {
        HostAndPort(host: name, port: $0.port).text(unless: DHTConfiguration.defaultPort)
      }
      return [options(stun: [stun].compactMap { $0 }, dht: dht)]
    }
    return dhtEndpoints.map { node in
      // Two addresses serve even a client that knows nothing of RFC 5780, and one may fail.
      var servers: [Endpoint] = []
      for endpoint in stunEndpoints where endpoint.address.family == node.address.family {
        if servers.count < 2, !servers.contains(where: { $0.address == endpoint.address }) { servers.append(endpoint) }
      }
      let local = node.address.family == .v6 ? ["--stun-client", "[::]:0"] : []
      return local
        + options(
          stun: servers.map { $0.text(unless: STUNServer.defaultPort) },
          dht: node.text(unless: DHTConfiguration.defaultPort))
    }
  }

  private func options(stun: [String], dht: String?) -> [String] {
    let network = configuration.dhtNetwork
    return ["--stun-server", stun.joined(separator: ",")] + (dht.map { ["--dht-bootstrap", $0] } ?? [])
      + (network == 0 ? [] : ["--dht-network", "\(network)"])
  }
}

extension Endpoint {
  fileprivate func text(unless standard: UInt16) -> String {
    HostAndPort(host: "\(address)", port: port).text(unless: standard)
  }
}

extension HostAndPort {
  /// Short where the port is the standard one.
  fileprivate func text(unless standard: UInt16) -> String {
    HostAndPort(host: host, port: port == standard ? nil : port).description
  }
}
