extension Lab {
  /// How a site's router treats datagrams; the first four kinds keep one mapping per inside port (RFC 4787, section 4.1).
  public enum NATKind: String, Hashable, Sendable, CaseIterable, CustomStringConvertible {
    /// No NAT and no firewall: the hosts' own addresses are routed.
    case open
    /// Endpoint-independent mapping and filtering.
    case fullCone = "full-cone"
    /// Endpoint-independent mapping, address-dependent filtering.
    case addressRestricted = "address-restricted"
    /// Endpoint-independent mapping, address- and port-dependent filtering: what most homes have.
    case portRestricted = "port-restricted"
    /// Address- and port-dependent mapping and filtering.
    case symmetric

    /// The kind as in a table: `port-restricted`.
    public var description: String { rawValue }

    /// Whether datagrams nobody asked for reach a host, which then is the first of its site.
    var forwardsToFirstHost: Bool { self == .fullCone || self == .addressRestricted }
  }

  /// A router and the hosts behind it.
  public struct Site: Hashable, Sendable {
    /// What the router does.
    public var nat: NATKind
    /// The number of hosts behind it, at least one.
    public var hosts: Int
    /// Whether a symmetric NAT gives one port after another, from 20000, rather than any.
    public var hasSequentialPorts = false
    /// Whether the router is behind another one, port-restricted, as in a provider's network.
    public var isDoubled = false
    /// Sites of the same number are behind one router of a provider, whose subscribers they are; nil for one of its own. For doubled sites.
    public var provider: Int?
    /// Whether the provider's router lets its subscribers reach each other by their public endpoints (RFC 4787 6); that of the first of them counts.
    public var providerHairpins = false
    /// Which addresses its hosts have.
    public var families = Families.all
    /// Whether the router lets in only those IPv6 datagrams that answer others, as homes have it (RFC 6092).
    public var hasIPv6Firewall = false

    /// Which addresses the hosts of a site have, besides loopback.
    public enum Families: Hashable, Sendable {
      /// IPv4, and IPv6 if the lab has it.
      case all
      /// IPv4, even if the lab has IPv6.
      case ipv4Only
      /// IPv6; gives the lab IPv6.
      case ipv6Only
    }

    /// A site of `hosts` hosts behind a router of kind `nat`.
    ///
    /// A ``NATKind/fullCone`` or ``NATKind/addressRestricted`` router forwards what arrives to one host, so there such
    /// a site has no more than one.
    public init(nat: NATKind, hosts: Int = 1) {
      self.nat = nat
      self.hosts = hosts
    }

    /// One host with a public address.
    public static let open = Site(nat: .open)
    /// One host behind a full cone NAT.
    public static let fullCone = Site(nat: .fullCone)
    /// One host behind an address-restricted NAT.
    public static let addressRestricted = Site(nat: .addressRestricted)
    /// One host behind a port-restricted NAT.
    public static let portRestricted = Site(nat: .portRestricted)
    /// One host behind a symmetric NAT that gives any port.
    public static let symmetric = Site(nat: .symmetric)
    /// One host behind a symmetric NAT that gives one port after another.
    public static let symmetricSequential = {
      var site = Site(nat: .symmetric)
      site.hasSequentialPorts = true
      return site
    }()
    /// One host behind a port-restricted NAT behind another one.
    public static let doubled = {
      var site = Site(nat: .portRestricted)
      site.isDoubled = true
      return site
    }()
    /// One host behind a port-restricted NAT whose provider's router it shares with other such sites.
    public static func subscriber(hairpins: Bool) -> Site {
      var site = doubled
      site.provider = 1
      site.providerHairpins = hairpins
      return site
    }
    /// One host without IPv4, behind a firewall.
    public static let ipv6Only = {
      var site = Site(nat: .open)
      site.families = .ipv6Only
      site.hasIPv6Firewall = true
      return site
    }()
  }
}
