extension Lab {
  /// Gives a host a second uplink: the interface `eth1` in the network of another site, which is used for what is sent from its address; the way through
  /// the own site stays the preferred one.
  ///
  /// - Parameters:
  ///   - site: Whose network it joins.
  ///   - index: The host.
  /// - Returns: the host's address there.
  public func addUplink(to site: Int, ofHost index: Int) async throws -> String {
    let (gateway, router) = (topology.gateway(site), topology.router(site))
    let address = topology.hostAddress(site: site, position: LabTopology.maximumHosts + index)
    let script = """
      \(Lab.shellPath)
      ip link add eth1 type veth peer name uplink\(index) netns \(router)
      ip -n \(router) link set uplink\(index) master inside up
      ip link set eth1 up
      ip address add \(address)/24 dev eth1
      ip route add default via \(gateway) dev eth1 metric 100
      ip route add default via \(gateway) dev eth1 table 100
      ip rule add from \(address) table 100
      """
    let result = try await host(index).run("sh", "-ec", script)
    guard result.exit == .exited(0) else {
      throw LabError(.setupFailed, "the host \(index) got no second uplink: \(result.errors)")
    }
    return address
  }
}
