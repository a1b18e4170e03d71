import Datagrams

/// How a NAT behaves, in the terms of RFC 4787.
public struct NATBehaviour: Hashable, Sendable {
  /// What a mapping (section 4.1) or a filter (section 5) depends on.
  public enum Dependence: String, Hashable, Sendable, CaseIterable {
    /// Endpoint-independent.
    case nothing
    /// Address-dependent.
    case address
    /// Address and port-dependent.
    case addressAndPort
  }

  /// How an external port is chosen (section 4.2.1).
  public enum PortAllocation: String, Hashable, Sendable, CaseIterable {
    /// The internal port if it is free, the next free one otherwise.
    case preserving
    /// One after another, from 20000.
    case sequential
    /// Any free one.
    case random
  }

  /// What a datagram from outside that no filter lets in does besides being dropped.
  public enum UnexpectedInbound: String, Hashable, Sendable, CaseIterable {
    /// Nothing, as it should be.
    case ignored
    /// The mapping it was sent to is forgotten, and the next datagram out gets another port.
    case dropsMapping
    /// The external port counts as taken towards that remote endpoint, so that datagrams out to it get another port:
    /// Linux, where no input filter drops the datagram before connection tracking confirms it.
    case claimsPort
  }

  /// Whose datagrams out open the filter.
  public enum FilterScope: String, Hashable, Sendable, CaseIterable {
    /// Those that leave through a mapping open that mapping's.
    case mapping
    /// Those of any socket of the host open it for all its sockets, as firewalls with one list of addresses do.
    case host
  }

  /// What a mapping depends on.
  public var mapping: Dependence
  /// What the filter depends on.
  public var filtering: Dependence
  /// Whose datagrams out open the filter.
  public var filterScope = FilterScope.mapping
  /// How an external port is chosen.
  public var allocation: PortAllocation
  /// How long a mapping, and what it lets in, lives without a datagram out (REQ-5, REQ-6).
  public var mappingTimeout: Duration
  /// Whether hosts behind the NAT reach each other by their external endpoints (section 6).
  public var hairpins: Bool
  /// What an unexpected datagram from outside does.
  public var unexpectedInbound: UnexpectedInbound

  /// A NAT of these kinds that preserves ports; 120 s is the least that RFC 4787 allows.
  public init(
    mapping: Dependence, filtering: Dependence, allocation: PortAllocation = .preserving,
    mappingTimeout: Duration = .seconds(120), hairpins: Bool = false, unexpectedInbound: UnexpectedInbound = .ignored
  ) {
    self.mapping = mapping
    self.filtering = filtering
    self.allocation = allocation
    self.mappingTimeout = mappingTimeout
    self.hairpins = hairpins
    self.unexpectedInbound = unexpectedInbound
  }

  /// Endpoint-independent mapping, no filter.
  public static let fullCone = NATBehaviour(mapping: .nothing, filtering: .nothing)
  /// Endpoint-independent mapping, address-dependent filter.
  public static let addressRestricted = NATBehaviour(mapping: .nothing, filtering: .address)
  /// Endpoint-independent mapping, address and port-dependent filter.
  public static let portRestricted = NATBehaviour(mapping: .nothing, filtering: .addressAndPort)
  /// Address and port-dependent mapping and filter, with random ports.
  public static let symmetric = NATBehaviour(
    mapping: .addressAndPort, filtering: .addressAndPort, allocation: .random)
}

extension NATBehaviour.Dependence {
  /// What distinguishes `remote` from other endpoints under this dependence.
  func key(of remote: Endpoint) -> Endpoint {
    switch self {
    case .nothing: .any(remote.address.family)
    case .address: Endpoint(address: remote.address, port: 0)
    case .addressAndPort: remote
    }
  }
}
