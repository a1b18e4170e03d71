/// A way to ask a router to forward ports.
public enum PortMappingProtocol: String, Hashable, Sendable, CaseIterable, CustomStringConvertible {
  /// Port Control Protocol (RFC 6887).
  case pcp
  /// NAT Port Mapping Protocol (RFC 6886).
  case natPMP = "nat-pmp"
  /// UPnP Internet Gateway Device.
  case upnp

  /// The name as people know it.
  public var description: String {
    switch self {
    case .pcp: "PCP"
    case .natPMP: "NAT-PMP"
    case .upnp: "UPnP IGD"
    }
  }
}
