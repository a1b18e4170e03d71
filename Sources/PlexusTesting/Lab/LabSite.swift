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
    /// Whether the router is behind another one, port-restricted, as in a provider's network. Without IPv6.
    public var isDoubled = false

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
  }
}
