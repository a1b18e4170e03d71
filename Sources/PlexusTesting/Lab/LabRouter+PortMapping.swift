import FoundationEssentials

extension Lab {
  /// A protocol by which hosts have a router forward their ports.
  public enum MappingProtocol: String, Hashable, Sendable, CaseIterable {
    /// RFC 6887.
    case pcp
    /// RFC 6886.
    case natPMP = "nat-pmp"
    /// UPnP Internet Gateway Device.
    case upnp
  }

  /// A router that forwards ports on request, by Debian's miniupnpd.
  public struct MappingRouter: Sendable {
    /// The daemon; it logs each request.
    public let daemon: RunningProgram
    fileprivate let host: Host

    /// The external ports that are forwarded now, as the router's ruleset has them.
    public func forwardedPorts() async throws -> [UInt16] {
      let rules = try await host.run("nft", "list", "chain", "inet", "upnp", "prerouting_miniupnpd")
      return rules.output.split(separator: "\n").compactMap { line in
        let words = line.split(separator: " ")
        guard words.contains("dnat"), let index = words.firstIndex(of: "dport"), index + 1 < words.endIndex else {
          return nil
        }
        return UInt16(words[index + 1])
      }
    }

    /// Waits until this many ports are forwarded.
    ///
    /// - Throws: ``LabError`` if the time passes before.
    @discardableResult
    public func waitForForwardedPorts(_ count: Int, deadline: Duration = .seconds(10)) async throws -> [UInt16] {
      let end = ContinuousClock.now.advanced(by: deadline)
      while true {
        let ports = try await forwardedPorts()
        if ports.count == count { return ports }
        guard ContinuousClock.now < end else {
          throw LabError(
            .deadlineExceeded, "the router forwards \(ports) after \(deadline), not \(count) ports: \(daemon.errors)")
        }
        try await Task.sleep(for: .milliseconds(20))
      }
    }
  }

  /// Whether routers can forward ports here.
  public static var canMapPorts: Bool { isAvailable && findProgram("miniupnpd") != nil }

  /// Lets the router of a site forward ports on request while `body` runs.
  ///
  /// - Parameters:
  ///   - site: The number of the site, whose router has a NAT.
  ///   - protocols: What the router understands; the rest meets silence.
  ///   - longestLifetime: How long it forwards without being asked again, in seconds, at least 2; UPnP's leases it takes as they are.
  public func withPortMapping<Value: Sendable>(
    on site: Int, by protocols: Set<MappingProtocol>, longestLifetime: Int = 3600,
    isolation: isolated (any Actor)? = #isolation, _ body: (MappingRouter) async throws -> Value
  ) async throws -> Value {
    let folder = "\(directory)/router\(site)"
    let router = Host(
      namespace: nat(site).namespace, directory: directory, site: nil, address: nat(site).publicAddress,
      addressV6: nil)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let program = try MappingDaemon.program(in: folder)
    try Data(MappingDaemon.configuration(protocols, longestLifetime: longestLifetime).utf8)
      .write(to: URL(filePath: "\(folder)/miniupnpd.conf"))
    let rules = try await router.run(
      "sh", "-ec", "\(Lab.shellPath)\nnft -f - <<'END'\n\(MappingDaemon.rules(protocols))\nEND")
    guard rules.exit == .exited(0) else {
      throw LabError(.setupFailed, "the router of site \(site) could not be prepared: \(rules.errors)")
    }
    return try await router.withProcess(
      program, "-d", "-f", "\(folder)/miniupnpd.conf", "-P", "\(folder)/miniupnpd.pid"
    ) { daemon in
      try await daemon.waitForLine(containing: "Listening for NAT-PMP/PCP traffic", unless: protocols == [.upnp])
      try await daemon.waitForLine(containing: "HTTP listening on port", unless: !protocols.contains(.upnp))
      return try await body(MappingRouter(daemon: daemon, host: router))
    }
  }
}

extension Lab.RunningProgram {
  fileprivate func waitForLine(containing text: String, unless isNotExpected: Bool) async throws {
    if !isNotExpected { _ = try await waitForLine(containing: text) }
  }
}

/// Debian's miniupnpd as a router of a lab.
private enum MappingDaemon {
  /// miniupnpd forwards nothing where its public address is one that is no address of the internet, and all of a lab's are such. So a copy is made whose
  /// table of those lacks the networks that play the internet here, 203.0.113.0/24, and a provider's inside, 100.64.0.0/10.
  static func program(in folder: String) throws -> String {
    guard let path = Lab.findProgram("miniupnpd"), let data = FileManager.default.contents(atPath: path) else {
      throw LabError(.unavailable, "there is no miniupnpd; install package miniupnpd-nftables")
    }
    var bytes = Array(data)
    // Each is an address and the number of its host bits, as 32-bit numbers of a little-endian machine; 0.0.0.0/24 takes their place.
    for entry: [UInt8] in [[0, 113, 0, 203, 8, 0, 0, 0], [0, 0, 64, 100, 22, 0, 0, 0]] {
      guard let range = bytes.firstRange(of: entry) else {
        throw LabError(
          .unavailable, "\(path) is another miniupnpd than 2.3: its table of reserved addresses was not found")
      }
      bytes.replaceSubrange(range, with: [0, 0, 0, 0, 8, 0, 0, 0])
    }
    let copy = "\(folder)/miniupnpd"
    try Data(bytes).write(to: URL(filePath: copy))
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: copy)
    return copy
  }

  static func configuration(_ protocols: Set<Lab.MappingProtocol>, longestLifetime: Int) -> String {
    """
    ext_ifname=eth0
    listening_ip=inside
    http_port=5000
    enable_upnp=\(protocols.contains(.upnp) ? "yes" : "no")
    enable_natpmp=\(protocols.isDisjoint(with: [.pcp, .natPMP]) ? "no" : "yes")
    min_lifetime=2
    max_lifetime=\(longestLifetime)
    secure_mode=yes
    upnp_table_name=upnp
    upnp_nat_table_name=upnp
    upnp_forward_chain=miniupnpd
    upnp_nat_chain=prerouting_miniupnpd
    upnp_nat_postrouting_chain=postrouting_miniupnpd
    uuid=00000000-0000-0000-0000-000000000001
    allow 1024-65535 198.18.0.0/16 1024-65535
    deny 0-65535 0.0.0.0/0 0-65535

    """
  }

  /// The table that it writes to, whose chains come before those of the NAT; and what keeps PCP from a router of NAT-PMP, and the other way round, by
  /// the version, which is the first byte.
  static func rules(_ protocols: Set<Lab.MappingProtocol>) -> String {
    func chain(_ name: String, _ lines: String...) -> String {
      "chain \(name) {\n\(lines.joined(separator: "\n"))\n}"
    }
    let unheard = [(Lab.MappingProtocol.natPMP, 0), (.pcp, 2)].filter { !protocols.contains($0.0) }
      .map { "iifname inside udp dport 5351 @th,64,8 \($0.1) drop" }
    return
      ([
        "table inet upnp {", chain("forward", "type filter hook forward priority -1;", "jump miniupnpd"),
        chain("miniupnpd"), chain("prerouting", "type nat hook prerouting priority -100;", "jump prerouting_miniupnpd"),
        chain("postrouting", "type nat hook postrouting priority 99;", "jump postrouting_miniupnpd"),
        chain("prerouting_miniupnpd"), chain("postrouting_miniupnpd"),
        chain("protocols", (["type filter hook input priority -10;"] + unheard).joined(separator: "\n")), "}",
      ]).joined(separator: "\n")
  }
}
