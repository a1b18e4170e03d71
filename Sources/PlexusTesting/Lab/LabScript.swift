/// The shell script that is a lab: it builds everything, says `built` and `ready`, and takes everything away when its
/// standard input ends.
///
/// Because the owner holds the other end of that pipe, a lab goes however its owner ends, even when it is killed.
/// One shell starts few processes, so that a lab of two sites is up in a fraction of a second.
struct LabScript {
  let topology: LabTopology

  var text: String {
    [
      LabCleanup.prologue(prefix: topology.prefix, temporaryDirectory: temporaryDirectory), makeNamespaces, publicSide,
      serverSide, servers,
    ].joined(separator: "\n") + "\n"
      + topology.sites.indices.map(site).joined() + hosts + joinPublicSide
      + "echo built\nwhile read -r _; do :; done\n"
  }

  private var makeNamespaces: String {
    let names =
      [topology.network, topology.server] + topology.sites.indices.map(topology.router)
      + topology.doubledSites.map(topology.carrier)
      + topology.placements.indices.map(topology.host)
    let directories = topology.placements.indices.map(topology.hostDirectory)
    return "mkdir -p -m 0700 \(topology.directory)\nmkdir \(directories.joined(separator: " "))\n"
      + batch("ip", names.map { "netns add \($0)" })
  }

  private var publicSide: String {
    batch(
      "ip -n \(topology.network)",
      [
        "link set lo up", "link add bridge type bridge", "link set bridge up",
        "link add server type veth peer name eth0 netns \(topology.server)", "link set server master bridge up",
      ])
  }

  private var serverSide: String {
    let addresses =
      [LabTopology.serverAddress, LabTopology.secondServerAddress] + LabTopology.plainServerAddresses
      + [LabTopology.deadServerAddress]
    let addressesV6 = [
      LabTopology.serverAddressV6, LabTopology.secondServerAddressV6, LabTopology.deadServerAddressV6,
    ]
    return batch(
      "ip -n \(topology.server)",
      ["link set lo up"]
        + raise("eth0", addresses: addresses.map { "\($0)/24" }, linkLocal: 1, addressesV6: addressesV6)
        + ["route add 203.0.113.0/24 dev eth0"] + routes(exceptTo: nil))
  }

  /// What the routers between do: the ways to networks that are not behind a NAT.
  private func routes(exceptTo own: Int?) -> [String] {
    topology.sites.indices.filter { $0 != own }.flatMap { site in
      (topology.sites[site].nat == .open
        ? ["route add \(topology.insideNetwork(site)) via \(topology.routerAddress(site)) dev eth0 onlink"] : [])
        + (topology.ipv6 ? ["route add \(topology.insideNetworkV6(site)) via \(topology.routerAddressV6(site))"] : [])
    }
  }

  private func site(_ site: Int) -> String {
    let router = topology.router(site)
    let hosts = topology.placements.enumerated().filter { $0.element.site == site }
    let links = hosts.flatMap { host, placement in
      [
        "link add host\(placement.position) type veth peer name eth0 netns \(topology.host(host))",
        "link set host\(placement.position) master inside up",
      ]
    }
    let isDoubled = topology.sites[site].isDoubled
    let commands =
      ["link set lo up"] + (isDoubled ? [] : [publicLink(site)]) + ["link add inside type bridge"]
      + (isDoubled
        ? raise("eth0", addresses: ["\(topology.behindCarrierAddress(site))/24"], linkLocal: 2, addressesV6: [])
          + ["route add default via \(topology.carrierAddress(site))"]
        : raisePublic(site))
      + raise(
        "inside", addresses: ["\(topology.gateway(site))/24"], linkLocal: 1, addressesV6: [topology.gatewayV6(site)])
      + links + (isDoubled ? [] : ways(site))
    let rules = topology.sites[site].nat.rules(
      host: topology.hostAddress(site: site, position: 0), sequentialPorts: topology.sites[site].hasSequentialPorts)
    return (isDoubled ? carrier(site) : "") + batch("ip -n \(router)", commands) + route(in: router, rules)
  }

  /// The provider's router before a site's.
  private func carrier(_ site: Int) -> String {
    let router = topology.carrier(site)
    let commands =
      [
        "link set lo up", publicLink(site),
        "link add inside type veth peer name eth0 netns \(topology.router(site))",
      ]
      + raisePublic(site)
      + raise("inside", addresses: ["\(topology.carrierAddress(site))/24"], linkLocal: 1, addressesV6: [])
      + ways(site)
    return batch("ip -n \(router)", commands) + route(in: router, Lab.NATKind.portRestricted.rules(host: ""))
  }

  private func publicLink(_ site: Int) -> String {
    "link add eth0 type veth peer name nat\(site) netns \(topology.network)"
  }

  private func raisePublic(_ site: Int) -> [String] {
    raise(
      "eth0", addresses: ["\(topology.routerAddress(site))/24"], linkLocal: 0x100 + site,
      addressesV6: [topology.routerAddressV6(site)])
  }

  private func ways(_ site: Int) -> [String] { ["route add 198.51.100.0/24 dev eth0"] + routes(exceptTo: site) }

  /// Makes a router of a namespace, with these rules.
  private func route(in router: String, _ rules: String) -> String {
    """
    ip netns exec \(router) sh -ec 'echo 1 >/proc/sys/net/ipv4/ip_forward
    [ ! -e /proc/sys/net/ipv6 ] || echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
    exec nft -f -' <<'END'
    \(rules)
    END

    """
  }

  private var hosts: String {
    topology.placements.enumerated().map { host, placement in
      batch(
        "ip -n \(topology.host(host))",
        ["link set lo up"]
          + raise(
            "eth0", addresses: ["\(topology.hostAddress(site: placement.site, position: placement.position))/24"],
            linkLocal: 0x10 + placement.position,
            addressesV6: [topology.hostAddressV6(site: placement.site, position: placement.position)])
          + ["route add default via \(topology.gateway(placement.site))"]
          + (topology.ipv6 ? ["route add default via \(topology.gatewayV6(placement.site))"] : []))
    }.joined()
  }

  /// Brings an interface up with addresses that are usable at once: the kernel would make a link-local one itself, but try
  /// it for two seconds before it answers neighbours.
  private func raise(_ link: String, addresses: [String], linkLocal: Int, addressesV6: [String]) -> [String] {
    let v6 = topology.ipv6 ? ["fe80::\(String(linkLocal, radix: 16))"] + addressesV6 : []
    return ["link set \(link) addrgenmode none", "link set \(link) up"]
      + addresses.map { "addr add \($0) dev \(link)" } + v6.map { "addr add \($0)/64 dev \(link) nodad" }
  }

  private var joinPublicSide: String {
    batch("ip -n \(topology.network)", topology.sites.indices.map { "link set nat\($0) master bridge up" })
  }

  private var temporaryDirectory: Substring { topology.directory.dropLast(topology.prefix.count + "/lab".count) }

  private func batch(_ command: String, _ lines: [String]) -> String {
    "\(command) -batch - <<'END'\n\(lines.joined(separator: "\n"))\nEND\n"
  }
}
