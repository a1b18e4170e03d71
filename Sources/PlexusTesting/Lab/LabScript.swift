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
      + topology.heads.filter { topology.sites[$0].isDoubled }.map(topology.carrier)
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
    topology.sites.indices.filter { topology.head($0) != own }.flatMap { site in
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
      + (isDoubled ? raiseBehindCarrier(site) : raisePublic(site))
      + raise(
        "inside", addresses: ["\(topology.gateway(site))/24"], linkLocal: 1, addressesV6: [topology.gatewayV6(site)])
      + links + (isDoubled ? [] : ways(site))
    let rules =
      topology.sites[site].nat.rules(
        host: topology.hostAddress(site: site, position: 0), sequentialPorts: topology.sites[site].hasSequentialPorts)
      + (topology.sites[site].hasIPv6Firewall ? "\n" + Lab.NATKind.firewallV6 : "")
    return (isDoubled && topology.head(site) == site ? carrier(site) : "")
      + batch("ip -n \(router)", commands) + route(in: router, rules)
  }

  /// A provider's router, before one site or several.
  private func carrier(_ head: Int) -> String {
    let router = topology.carrier(head)
    let subscribers = topology.sites.indices.filter { topology.head($0) == head }.flatMap { site in
      ["link add inside\(site) type veth peer name eth0 netns \(topology.router(site))"]
        + raise(
          "inside\(site)", addresses: ["\(topology.carrierAddress(site))/24"], linkLocal: 1,
          addressesV6: [topology.carrierAddressV6(site)])
        + (topology.ipv6
          ? ["route add \(topology.insideNetworkV6(site)) via \(topology.behindCarrierAddressV6(site))"] : [])
    }
    let commands = ["link set lo up", publicLink(head)] + raisePublic(head) + subscribers + ways(head)
    let rules = Lab.NATKind.carrierRules(
      publicAddress: topology.routerAddress(head), hairpins: topology.sites[head].providerHairpins)
    return batch("ip -n \(router)", commands) + route(in: router, rules)
  }

  private func raiseBehindCarrier(_ site: Int) -> [String] {
    raise(
      "eth0", addresses: ["\(topology.behindCarrierAddress(site))/24"], linkLocal: 2,
      addressesV6: [topology.behindCarrierAddressV6(site)])
      + ["route add default via \(topology.carrierAddress(site))"]
      + (topology.ipv6 ? ["route add default via \(topology.carrierAddressV6(site))"] : [])
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
      let (site, position) = placement
      let (ipv4, ipv6) = (topology.hasIPv4(site), topology.hasIPv6(site))
      return batch(
        "ip -n \(topology.host(host))",
        ["link set lo up"]
          + raise(
            "eth0", addresses: ipv4 ? ["\(topology.hostAddress(site: site, position: position))/24"] : [],
            linkLocal: 0x10 + position,
            addressesV6: ipv6 ? [topology.hostAddressV6(site: site, position: position)] : [])
          + (ipv4 ? ["route add default via \(topology.gateway(site))"] : [])
          + (ipv6 ? ["route add default via \(topology.gatewayV6(site))"] : []))
    }.joined()
  }

  /// Brings an interface up with addresses that are usable at once: the kernel would make a link-local one itself, but try
  /// it for two seconds before it answers neighbours.
  ///
  /// Servers that are bound to no address answer from the first one, as with IPv4: of several of IPv6 the kernel takes the latest, so the first
  /// one comes last.
  private func raise(_ link: String, addresses: [String], linkLocal: Int, addressesV6: [String]) -> [String] {
    let v6 = topology.ipv6 ? ["fe80::\(String(linkLocal, radix: 16))"] + addressesV6 : []
    return ["link set \(link) addrgenmode none", "link set \(link) up"]
      + addresses.map { "addr add \($0) dev \(link)" }
      + v6.reversed().map { "addr add \($0)/64 dev \(link) nodad" }
  }

  private var joinPublicSide: String {
    batch("ip -n \(topology.network)", topology.heads.map { "link set nat\($0) master bridge up" })
  }

  private var temporaryDirectory: Substring { topology.directory.dropLast(topology.prefix.count + "/lab".count) }

  private func batch(_ command: String, _ lines: [String]) -> String {
    "\(command) -batch - <<'END'\n\(lines.joined(separator: "\n"))\nEND\n"
  }
}
