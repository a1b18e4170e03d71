import Datagrams

/// How to take part in the DHT.
public struct DHTConfiguration: Hashable, Sendable {
  /// Which local UDP port the node takes.
  public enum Port: Hashable, Sendable {
    /// This one, or any that is free when another program has it.
    case preferred(UInt16)
    /// This one and no other; 0 for any.
    case fixed(UInt16)
  }

  /// Nodes to start from; all are tried at once. The port is 4222 where none is given.
  public var bootstrap: [HostAndPort]
  /// The local port.
  public var port: Port
  /// Only nodes of one network id talk with each other; 0 is the public network.
  public var network: UInt32
  /// The local IPv4 address, nil to leave IPv4 out.
  public var address4: IPAddress?
  /// Local IPv4 addresses that are tried in turn, each for a moment, where nobody answers at ``address4``: those of further uplinks.
  public var alternatives4: [IPAddress] = []
  /// The local IPv6 address, nil to leave IPv6 out.
  public var address6: IPAddress?
  /// The folder in which the nodes that answered are kept, so that the next start needs no bootstrap host; nil to keep
  /// none. It is made (mode 0700) if it is missing; several processes may share it.
  public var cacheFolder: String?

  /// The port of OpenDHT.
  public static let defaultPort: UInt16 = 4222

  /// The public network by default, over IPv4 and IPv6.
  public init(
    bootstrap: [HostAndPort] = [HostAndPort(host: "bootstrap.jami.net", port: defaultPort)],
    port: Port = .preferred(defaultPort), network: UInt32 = 0,
    address4: IPAddress? = .unspecified(.v4), address6: IPAddress? = .unspecified(.v6),
    cacheFolder: String? = nil
  ) {
    self.bootstrap = bootstrap
    self.port = port
    self.network = network
    self.address4 = address4
    self.address6 = address6
    self.cacheFolder = cacheFolder
  }
}

/// What happens to the node, for people and logs.
public enum DHTEvent: Hashable, Sendable {
  /// The node runs on this local port; `instead` is the preferred one that was taken, if so.
  case started(port: UInt16, instead: UInt16?)
  /// A bootstrap host has no address, for this reason.
  case hostNotFound(host: String, reason: String)
  /// The first node has answered.
  case connected
  /// No node answers any more; the bootstrap hosts are tried again.
  case disconnected
}
