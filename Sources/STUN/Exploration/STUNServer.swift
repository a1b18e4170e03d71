import Datagrams

/// A STUN server: what the user wrote, and the endpoint that it stands for.
public struct STUNServer: Hashable, Sendable, CustomStringConvertible {
  /// The port of STUN over UDP (RFC 8489 18.6).
  public static let defaultPort: UInt16 = 3478

  /// The host as the user wrote it, the port always there.
  public let name: HostAndPort
  /// Where it listens.
  public let endpoint: Endpoint

  /// A server whose name is resolved already.
  public init(name: HostAndPort, endpoint: Endpoint) {
    self.name = HostAndPort(host: name.host, port: name.port ?? endpoint.port)
    self.endpoint = endpoint
  }

  /// A server without a name.
  public init(endpoint: Endpoint) {
    self.init(name: HostAndPort(host: "\(endpoint.address)", port: endpoint.port), endpoint: endpoint)
  }

  /// `host:port`, as the user wrote it.
  public var description: String { name.description }
}
