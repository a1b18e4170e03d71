import Datagrams

/// What one socket's passage needs to know of the network.
public struct MappingReport: Hashable, Sendable {
  /// The socket's own endpoint, with the address that routes to the servers.
  public var local: Endpoint
  /// The endpoint that others see and send to.
  public var publicEndpoint: Endpoint
  /// How the NAT chooses public endpoints.
  public var mapping: MappingBehavior
  /// Whether the public port equals the local one.
  public var isPortPreserved: Bool
  /// Whether something between here and the servers translates addresses; nil if the local address is not known.
  public var isTranslated: Bool?
  /// What each server said, in the order given.
  public var servers: [STUNServerReport]
  /// How long it took.
  public var duration: Duration

  /// What a report says of its first socket; nil without a public endpoint.
  public init?(_ report: NetworkReport) {
    guard let publicEndpoint = report.publicEndpoint else { return nil }
    local = report.local
    self.publicEndpoint = publicEndpoint
    mapping = report.mapping
    isPortPreserved = report.local.port == publicEndpoint.port
    isTranslated = report.isTranslated
    servers = report.servers
    duration = report.duration
  }

  /// A server that answered, the fastest, to keep the mapping alive with.
  public var fastestServer: STUNServer? {
    let answered = servers.compactMap { report in
      if case .answered(let roundTrip) = report.outcome { (report.server, roundTrip) } else { nil }
    }
    return answered.min { $0.1 < $1.1 }?.0
  }
}
