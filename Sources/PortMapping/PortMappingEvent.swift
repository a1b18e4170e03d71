import Datagrams

/// What becomes of ports that a router was asked to forward.
public enum PortMappingEvent: Sendable {
  /// The router forwards a port.
  case made(MappedPort, after: Duration)
  /// A router that could forward ports does not.
  case refused(PortMappingError, by: PortMappingProtocol)
  /// The router forwards the port from another endpoint than before.
  case changed(MappedPort, from: Endpoint)
  /// The router did not renew it in time.
  case lost(MappedPort, PortMappingError)
  /// It was taken back, because nobody needs it any more.
  case removed(MappedPort)
}
