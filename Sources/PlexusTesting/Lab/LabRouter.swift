extension Lab {
  /// The router of a site, which is where its NAT is.
  public struct Router: Sendable {
    /// The name of its network namespace.
    public let namespace: String
    /// What it does to datagrams.
    public let kind: NATKind
    /// Its IPv4 address on the public side.
    public let publicAddress: String

    /// Forgets every mapping.
    public func flush() async throws {
      try await execute("conntrack -F 2>/dev/null\n" + forgetAddresses)
    }

    /// Forgets every mapping as a router does that is switched off and on again: nothing passes meanwhile.
    public func reboot() async throws {
      try await execute(
        """
        nft 'table inet reboot { chain everything { type filter hook prerouting priority -400; drop; }; }'
        conntrack -F 2>/dev/null
        \(forgetAddresses)
        nft delete table inet reboot
        """)
    }

    /// Gives the router another public address, as a provider does in the night: mappings of the old one are gone.
    ///
    /// - Parameter address: An address of 203.0.113.0/24 from .211 on, which no other router has.
    public func move(to address: String) async throws {
      try await execute(
        """
        ip address del \(publicAddress)/24 dev eth0
        ip address add \(address)/24 dev eth0
        ip route replace 198.51.100.0/24 dev eth0
        conntrack -F 2>/dev/null
        \(forgetAddresses)
        """)
    }

    /// Drops this share of all UDP datagrams, at random, in both directions; 0 ends that.
    ///
    /// - Parameter percent: 0 to 100.
    public func dropDatagrams(percent: Int) async throws {
      // The kernel compares with a number below 100 only.
      let chance = percent < 100 ? "numgen random mod 100 < \(percent)" : ""
      try await execute(
        """
        nft 'table inet loss { }; delete table inet loss'
        nft 'table inet loss { chain forward { type filter hook forward priority 10; \
        meta l4proto udp \(chance) drop; }; }'
        """)
    }

    /// Lets mappings live for that long without a datagram, whether they were answered or not.
    ///
    /// - Parameter seconds: at least 1; the kernel's own numbers are 30 and 120.
    public func forgetMappings(after seconds: Int) async throws {
      try await execute(
        """
        echo \(seconds) >/proc/sys/net/netfilter/nf_conntrack_udp_timeout
        echo \(seconds) >/proc/sys/net/netfilter/nf_conntrack_udp_timeout_stream
        """)
    }

    /// Limits the packets in the inside network, in bytes, of 1280 at least; those that come in and are larger the router refuses, and says so to
    /// the sender. Its hosts have to be told.
    public func limitPackets(to bytes: Int) async throws {
      try await execute(
        """
        for port in /sys/class/net/inside/brif/*; do ip link set ${port##*/} mtu \(bytes); done
        ip link set inside mtu \(bytes)
        """)
    }

    private var forgetAddresses: String { kind == .addressRestricted ? "nft flush set ip nat seen" : "" }

    private func execute(_ script: String) async throws {
      let result = try await Host(
        namespace: namespace, directory: "/", site: nil, address: publicAddress, addressV6: nil
      )
      .run("sh", "-ec", "\(Lab.shellPath)\n\(script)")
      guard result.exit == .exited(0) else {
        throw LabError(.setupFailed, "the router \(namespace) could not be changed: \(result.errors)")
      }
    }
  }
}
