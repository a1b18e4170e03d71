extension Lab.NATKind {
  /// The kind as nftables rules of a router whose public interface is `eth0` and whose first inside host is `host`.
  ///
  /// - Parameter sequentialPorts: for symmetric ones, one port after another; 4,096 of them, then from the start.
  func rules(host: String, sequentialPorts: Bool = false) -> String {
    switch self {
    case .open: ""
    case .fullCone: table(masquerade: "masquerade", forward: "iifname eth0 udp dport 1024-65535 dnat to \(host)")
    case .addressRestricted:
      table(
        masquerade: "masquerade", forward: "iifname eth0 udp dport . ip saddr @seen dnat to \(host)",
        remembersAddresses: true)
    case .portRestricted: table(masquerade: "masquerade")
    case .symmetric:
      table(masquerade: sequentialPorts ? Self.counting : "masquerade fully-random")
    }
  }

  /// A provider's port-restricted router; its subscribers' ports are kept, so that a set of them is the table of its mappings.
  static func carrierRules(publicAddress: String, hairpins: Bool) -> String {
    guard hairpins else { return Lab.NATKind.portRestricted.rules(host: "") }
    return """
      table ip nat {
        map mapped { type inet_service : ipv4_addr; flags dynamic,timeout; timeout 120s; }
        chain remember {
          type filter hook forward priority 0;
          iifname "inside*" meta l4proto udp update @mapped { udp sport : ip saddr }
        }
        chain arriving {
          type nat hook prerouting priority -100;
          iifname "inside*" ip daddr \(publicAddress) meta l4proto udp dnat to udp dport map @mapped
        }
        chain leaving {
          type nat hook postrouting priority 100;
          oifname eth0 masquerade
          iifname "inside*" oifname "inside*" ct status dnat snat to \(publicAddress)
        }
        chain local {
          type filter hook input priority 0;
          meta l4proto { udp, tcp } ct state new drop
        }
      }
      """
  }

  /// What a home's router does to IPv6: nobody gets in who was not called.
  static let firewallV6 = """
    table ip6 firewall {
      chain forward {
        type filter hook forward priority 0;
        iifname eth0 meta l4proto { udp, tcp } ct state new drop
      }
    }
    """

  /// A counter, put into network order by a map: nftables takes its bytes as they are.
  private static let counting: String = {
    let ports = (0..<4096).map { "\($0) : \(20_000 + $0)" }
    return "meta l4proto udp masquerade to :numgen inc mod 4096 map { \(ports.joined(separator: ", ")) }"
  }()

  private func table(masquerade: String, forward: String? = nil, remembersAddresses: Bool = false) -> String {
    var lines = ["table ip nat {"]
    if remembersAddresses {
      // By port, because each mapping is filtered for itself; masquerading keeps the port of a lone host's sockets.
      // Two minutes, as the conntrack entry of a UDP stream.
      lines.append("set seen { type inet_service . ipv4_addr; flags dynamic,timeout; timeout 120s; }")
      lines.append(
        chain("remember", "filter hook forward priority 0", "oifname eth0 update @seen { udp sport . ip daddr }"))
    }
    if let forward {
      lines.append(chain("arriving", "nat hook prerouting priority -100", forward))
    }
    lines.append(chain("leaving", "nat hook postrouting priority 100", "oifname eth0 \(masquerade)"))
    // Without this an early datagram of the peer makes a conntrack entry of its own, and the NAT then avoids that port.
    lines.append(
      chain("local", "filter hook input priority 0", "iifname eth0 meta l4proto { udp, tcp } ct state new drop"))
    lines.append("}")
    return lines.joined(separator: "\n")
  }

  private func chain(_ name: String, _ hook: String, _ rule: String) -> String {
    "chain \(name) {\n type \(hook);\n \(rule)\n}"
  }
}
