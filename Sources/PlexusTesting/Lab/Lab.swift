/// A small internet on one Linux machine: sites of hosts behind real NATs, and a public side with servers.
///
/// Every node is a network namespace of its own; nothing touches the machine's own network, and labs do not see each
/// other, so several can run at once with the same addresses. A lab exists inside ``withLab(sites:servers:ipv6:isolation:_:)``, and goes
/// with it: processes, namespaces and files. Making one takes root; ask ``isAvailable`` first.
///
/// ```swift
/// try await withLab(sites: [.portRestricted, .symmetric]) { lab in
///   let ping = try await lab.host(0).run("ping", "-c", "1", "198.51.100.1")
///   #expect(ping.exit == .exited(0))
/// }
/// ```
///
/// On the public side run coturn at ``stunServer`` with RFC 5780, coturn without it at ``plainSTUNServers``, and a DHT
/// node at ``bootstrap``. ``deadServer`` never answers.
public struct Lab: Sendable {
  let topology: LabTopology

  /// The sites as they were asked for.
  public var sites: [Site] { topology.sites }

  /// The number of hosts of all sites.
  public var hostCount: Int { topology.placements.count }

  /// A folder for files, readable by the owner only, which goes with the lab.
  public var directory: String { topology.directory }

  /// The host numbered `index`, counted through all sites from 0.
  public func host(_ index: Int) -> Host {
    let (site, position) = topology.placements[index]
    let addressV6 = topology.hasIPv6(site) ? topology.hostAddressV6(site: site, position: position) : nil
    let address = topology.hasIPv4(site) ? topology.hostAddress(site: site, position: position) : nil
    return Host(
      namespace: topology.host(index), directory: topology.hostDirectory(index), site: site,
      address: address ?? addressV6 ?? "", addressV6: addressV6)
  }

  /// The machine of the public side where the servers run.
  public var server: Host {
    Host(
      namespace: topology.server, directory: topology.directory, site: nil, address: LabTopology.serverAddress,
      addressV6: topology.ipv6 ? LabTopology.serverAddressV6 : nil)
  }

  /// The router of the site numbered `site`, from 0.
  public func nat(_ site: Int) -> Router {
    Router(
      namespace: topology.router(site), kind: sites[site].nat, publicAddress: topology.routerAddress(site))
  }

  /// `address:port` of a STUN server that supports RFC 5780 on two addresses and two ports.
  public var stunServer: String { "\(LabTopology.serverAddress):3478" }

  /// The same server's IPv6 address, in brackets, with port; for labs with IPv6.
  public var stunServerV6: String { "[\(LabTopology.serverAddressV6)]:3478" }

  /// The addresses of that server, for servers of a test's own in a lab without servers: two of IPv4 and, in labs with IPv6,
  /// two of that.
  public var serverAddresses: [String] {
    [LabTopology.serverAddress, LabTopology.secondServerAddress]
      + (topology.ipv6 ? [LabTopology.serverAddressV6, LabTopology.secondServerAddressV6] : [])
  }

  /// Two STUN servers, `address:port`, that know nothing of RFC 5780.
  public var plainSTUNServers: [String] { LabTopology.plainServerAddresses.map { "\($0):3478" } }

  /// `address:port` where datagrams vanish.
  public var deadServer: String { "\(LabTopology.deadServerAddress):3478" }

  /// `address:port` of the DHT's bootstrap node.
  public var bootstrap: String { "\(LabTopology.serverAddress):4222" }

  /// The same node's IPv6 address, in brackets, with port; for labs with IPv6.
  public var bootstrapV6: String { "[\(LabTopology.serverAddressV6)]:4222" }
}
