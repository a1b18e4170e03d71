import Datagrams

/// A UDP port of this host that a router forwards.
public struct MappedPort: Hashable, Sendable {
  /// How the router was asked.
  public var mappingProtocol: PortMappingProtocol
  /// The router.
  public var router: IPAddress
  /// The port of this host.
  public var inner: UInt16
  /// What the router forwards from. Behind a second NAT its address is a private one.
  public var external: Endpoint
  /// How long the router keeps it unless it is renewed; nil for ever, as some UPnP routers want it.
  public var lifetime: Duration?
}

/// What a router is asked for.
struct MappingRequest: Hashable, Sendable {
  /// The port of this host.
  var inner: UInt16
  /// The external port that would be welcome: that of the mapping to be renewed, or the inner one.
  var suggestedPort: UInt16
  /// How long the mapping is wanted.
  var lifetime: Duration
  /// Proves to a PCP router that a later request is from whoever made the first (RFC 6887 11.2).
  let nonce: PCPNonce

  init(inner: UInt16, lifetime: Duration) {
    var random = SystemRandomNumberGenerator()
    (self.inner, suggestedPort, self.lifetime, nonce) = (inner, inner, lifetime, PCPNonce(using: &random))
  }

  /// Whole seconds, as all protocols count.
  var seconds: UInt32 { UInt32(clamping: lifetime.components.seconds) }
}

/// A router that takes requests by one protocol.
protocol MappingService: Sendable {
  var mappingProtocol: PortMappingProtocol { get }
  /// Where it serves.
  var place: NetworkPlace { get }
  /// Counts up each time the router is seen to have lost its mappings.
  var restarts: Int { get }
  /// Makes or renews a mapping. Takes a second at most, two where a request has to be repeated with another port.
  ///
  /// - Throws: ``PortMappingError``, `CancellationError`; the router may have made the mapping nevertheless.
  func map(_ request: MappingRequest) async throws -> MappedPort
  /// Removes a mapping, or what an interrupted request may have made. Half a second at most; a failure is left to the lifetime.
  func unmap(_ request: MappingRequest, _ mapped: MappedPort?) async
}

extension MappingService {
  var router: IPAddress { place.router }

  /// Takes a router's answer, which may be anything.
  func mapped(_ request: MappingRequest, to external: Endpoint, lifetime: UInt32?) throws(PortMappingError)
    -> MappedPort
  {
    guard external.port != 0, external.address.isUnicast, !external.address.isLoopback else {
      throw PortMappingError(.unusableAnswer, mappingProtocol, router, "it says \(external) is the external address")
    }
    if let lifetime, lifetime < Self.shortestLifetime {
      throw PortMappingError(.unusableAnswer, mappingProtocol, router, "it forwards for \(lifetime) s only")
    }
    return MappedPort(
      mappingProtocol: mappingProtocol, router: router, inner: request.inner, external: external,
      lifetime: lifetime.map { .seconds(min(Int64($0), Self.longestLifetime)) })
  }

  /// What is renewed more often than once a second is of no use to anybody.
  private static var shortestLifetime: UInt32 { 2 }
  /// A day, as RFC 6887 15 advises: longer promises are not believed.
  private static var longestLifetime: Int64 { 86_400 }
}
