import Datagrams

/// What becomes known while an exploration runs.
public enum ExplorationEvent: Hashable, Sendable {
  /// A server told the public endpoint of the first socket.
  case mapped(Endpoint, by: STUNServer, roundTrip: Duration)
  /// The mapping behaviour is known, or known better than before.
  case mappingBehavior(MappingBehavior)
  /// The filtering behaviour is known.
  case filteringBehavior(FilteringBehavior)
  /// Whether the NAT hairpins is known.
  case hairpinning(Bool)
  /// A server is of no use.
  case serverFailed(STUNServer, STUNServerOutcome)
  /// The exploration is over.
  case finished(NetworkReport)
}

/// A datagram, and the socket that it leaves from.
public struct SocketTransmit: Hashable, Sendable {
  /// The index of the socket.
  public var socket: Int
  /// What to send.
  public var transmit: Transmit

  /// Joins both.
  public init(socket: Int, transmit: Transmit) { (self.socket, self.transmit) = (socket, transmit) }
}
