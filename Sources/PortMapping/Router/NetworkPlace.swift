import Datagrams
import STUN

/// Where this host is: its router and its own address towards that. Mappings belong to a place.
struct NetworkPlace: Hashable, Sendable {
  var router: IPAddress
  var local: IPAddress

  /// Where this host is now; nil without a default route over IPv4, or where another address was asked for.
  ///
  /// - Parameter bound: the address that ports are bound to; an unspecified one takes that of the route.
  static func current(bound: IPAddress) -> NetworkPlace? {
    guard bound.family == .v4, let router = DefaultGateway.current(),
      let local = LocalRoute.localAddress(towards: Endpoint(address: router, port: PCPMessage.port)),
      !local.isLoopback, bound.isUnspecified || bound == local
    else { return nil }
    return NetworkPlace(router: router, local: local)
  }
}
