/// Names and addresses of a lab's namespaces: all that follows from its sites.
///
/// The public side is one Ethernet segment: servers in 198.51.100.0/24, routers in 203.0.113.0/24; the site numbered `i`
/// has 198.18.i.0/24. These ranges are for documentation and benchmarks (RFC 5737, RFC 2544), so nothing here can be
/// mistaken for a real machine.
struct LabTopology: Hashable, Sendable {
  /// Begins every name, and names the process that owns the lab.
  let prefix: String
  /// Where the lab's files are.
  let directory: String
  let sites: [Lab.Site]
  let servers: Bool
  let ipv6: Bool

  /// Addresses of 203.0.113.0/24 that are left for routers.
  static let maximumSites = 200
  /// Addresses of a site that are left for hosts.
  static let maximumHosts = 200

  func hasIPv4(_ site: Int) -> Bool { sites[site].families != .ipv6Only }
  func hasIPv6(_ site: Int) -> Bool { ipv6 && sites[site].families != .ipv4Only }

  var network: String { prefix + "net" }
  var server: String { prefix + "server" }
  func router(_ site: Int) -> String { "\(prefix)nat\(site)" }
  /// The provider's router before that of a site.
  func carrier(_ site: Int) -> String { "\(prefix)carrier\(head(site))" }
  /// The site whose provider's router a site shares, or the site itself.
  func head(_ site: Int) -> Int {
    guard sites[site].isDoubled, let provider = sites[site].provider else { return site }
    return sites.firstIndex { $0.isDoubled && $0.provider == provider } ?? site
  }
  /// Those with a link to the public side, which others may share.
  var heads: [Int] { sites.indices.filter { head($0) == $0 } }
  func host(_ host: Int) -> String { "\(prefix)host\(host)" }
  func hostDirectory(_ host: Int) -> String { "\(directory)/host\(host)" }

  static let serverAddress = "198.51.100.1"
  static let secondServerAddress = "198.51.100.2"
  static let plainServerAddresses = ["198.51.100.3", "198.51.100.4"]
  static let deadServerAddress = "198.51.100.9"
  static let serverAddressV6 = "2001:db8::1"
  static let secondServerAddressV6 = "2001:db8::2"
  static let deadServerAddressV6 = "2001:db8::9"

  func routerAddress(_ site: Int) -> String { "203.0.113.\(10 + head(site))" }
  func routerAddressV6(_ site: Int) -> String { "2001:db8::\(hex(0x100 + head(site)))" }
  /// Between a provider's router and that of a site (RFC 6598).
  func carrierAddress(_ site: Int) -> String { "100.64.\(site).1" }
  func behindCarrierAddress(_ site: Int) -> String { "100.64.\(site).2" }
  func carrierAddressV6(_ site: Int) -> String { "2001:db8:1:\(hex(1 + site))::1" }
  func behindCarrierAddressV6(_ site: Int) -> String { "2001:db8:1:\(hex(1 + site))::2" }
  func insideNetwork(_ site: Int) -> String { "198.18.\(site).0/24" }
  func insideNetworkV6(_ site: Int) -> String { "2001:db8:0:\(hex(1 + site))::/64" }
  func gateway(_ site: Int) -> String { "198.18.\(site).1" }
  func gatewayV6(_ site: Int) -> String { "2001:db8:0:\(hex(1 + site))::1" }
  func hostAddress(site: Int, position: Int) -> String { "198.18.\(site).\(10 + position)" }
  func hostAddressV6(site: Int, position: Int) -> String { "2001:db8:0:\(hex(1 + site))::\(hex(0x10 + position))" }

  /// Every host with its site and its position there, in the order of their numbers.
  var placements: [(site: Int, position: Int)] {
    sites.indices.flatMap { site in (0..<sites[site].hosts).map { (site, $0) } }
  }

  /// The topology of a new lab, under a name that no other lab has.
  ///
  /// - Throws: ``LabError`` with code ``LabError/Code/invalidTopology``.
  init(sites: [Lab.Site], servers: Bool, ipv6: Bool, owner: Int32, temporaryDirectory: String) throws(LabError) {
    guard (1...Self.maximumSites).contains(sites.count) else {
      throw LabError(.invalidTopology, "a lab has 1 to \(Self.maximumSites) sites, not \(sites.count)")
    }
    for site in sites {
      let allowed = 1...(site.nat.forwardsToFirstHost ? 1 : Self.maximumHosts)
      guard allowed.contains(site.hosts) else {
        throw LabError(
          .invalidTopology,
          "a \(site.nat) site has \(allowed.lowerBound) to \(allowed.upperBound) hosts, not \(site.hosts)")
      }
    }
    self.prefix = LabCleanup.newPrefix(owner: owner)
    self.directory = "\(temporaryDirectory)/\(prefix)lab"
    self.sites = sites
    self.servers = servers
    self.ipv6 = ipv6 || sites.contains { $0.families == .ipv6Only }
  }

  private func hex(_ number: Int) -> String { String(number, radix: 16) }
}
