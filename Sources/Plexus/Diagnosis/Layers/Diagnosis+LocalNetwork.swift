extension Diagnosis {
  /// What IPv6 demands of every link (RFC 8200 5): less costs streams their packets.
  private static let leastMTU = 1280
  private static let interfacesShown = 8

  /// The interfaces, and whether they lead anywhere.
  func examineLocalNetwork(_ tell: Tell) {
    let interfaces = LocalInterface.all().filter { !$0.addresses.isEmpty }
    for interface in interfaces.prefix(Self.interfacesShown) {
      let addresses = interface.addresses.map(\.description).joined(separator: ", ")
      let mtu = interface.mtu.map { ", MTU \($0)" } ?? ""
      if let value = interface.mtu, value < Self.leastMTU {
        tell(
          DiagnosisFinding(
            .localNetwork, .warning, "\(interface.name) has \(addresses)\(mtu), which is little",
            advice: "datagrams of \(Self.leastMTU) bytes should fit: look at the tunnel or link behind it"))
      } else {
        tell(DiagnosisFinding(.localNetwork, .ok, "\(interface.name) has \(addresses)\(mtu)"))
      }
    }
    let sources = IPAddress.Family.allCases.compactMap { family in
      LocalAddresses.source(family).flatMap { address in
        // IPv6 has addresses for within a site, which lead nowhere else; private ones of IPv4 lead to a NAT.
        address.scope == .global || family == .v4 && address.scope == .private ? "\(family) from \(address)" : nil
      }
    }
    guard !sources.isEmpty else {
      return tell(
        DiagnosisFinding(
          .localNetwork, .problem, "this machine has no route to the internet", advice: "connect it to a network"))
    }
    tell(
      DiagnosisFinding(.localNetwork, .ok, "the internet is reached over \(sources.joined(separator: ", and over "))"))
    let uplinks = LocalInterface.uplinks()
    if uplinks.count > 1 {
      tell(
        DiagnosisFinding(
          .localNetwork, .ok,
          "there are several uplinks (\(uplinks.joined(separator: ", "))): passages begin over the preferred one, and streams go on over another if "
            + "it fails"))
    }
  }
}
