import Datagrams

/// What a connection has to tell.
public enum TubusEvent: Hashable, Sendable {
  /// The peer and we know each other: data may flow.
  case linked
  /// The connection ended, and why. Nothing follows.
  case closed(TubusEnding)
}

/// Why a connection ended.
public enum TubusEnding: Error, Hashable, Sendable {
  /// We closed it, and all that was written has arrived.
  case closed
  /// The peer closed it.
  case closedByPeer
  /// We ended it with data still to be delivered.
  case aborted
  /// Nobody answered the link.
  case notLinked
  /// Nothing was heard of the peer for too long.
  case silent
  /// The peer began anew under another pin.
  case replaced
}

extension TubusEnding: CustomStringConvertible {
  /// One sentence with advice.
  public var description: String {
    switch self {
    case .closed: "the stream is closed"
    case .closedByPeer: "the peer closed the stream"
    case .aborted: "the stream was ended before everything was delivered"
    case .notLinked:
      "the peer did not answer; see that the other end runs, and that both have the same secret and each other's address"
    case .silent: "the peer was not heard for too long; its program ended or the path between broke, so connect again"
    case .replaced: "the peer began a new connection in place of this one"
    }
  }
}

/// Counters of a connection, for logs, tests and benchmarks.
public struct TubusStatistics: Hashable, Sendable {
  /// Whether the connection goes both ways: false once it has ended, or the peer has closed it and what came before is still to be read.
  public var isOpen = false
  /// Stream bytes that were written, those that wait among them.
  public var bytesWritten: UInt64 = 0
  /// Stream bytes that the peer has acknowledged.
  public var bytesDelivered: UInt64 = 0
  /// Stream bytes that came from the peer, whole.
  public var bytesReceived: UInt64 = 0
  /// Datagrams sent and received.
  public var datagramsSent: UInt64 = 0
  /// Datagrams received under the peer's pin.
  public var datagramsReceived: UInt64 = 0
  /// Moves held to be lost, those among them that were not, and moves sent again.
  public var movesLost: UInt64 = 0
  /// Moves that arrived although they were held to be lost.
  public var movesLostInError: UInt64 = 0
  /// Moves sent again, for a loss or as a probe.
  public var movesResent: UInt64 = 0
  /// Moves that were dropped because they lie beyond what was granted or what memory allows.
  public var movesRefused: UInt64 = 0
  /// The smoothed round trip, nanoseconds; 0 before the first sample.
  public var roundTrip: Int64 = 0
  /// The shortest round trip, nanoseconds.
  public var minimumRoundTrip: Int64 = 0
  /// Bytes that may be in flight, and that are.
  public var window = 0
  /// Bytes in flight.
  public var bytesInFlight = 0
  /// Bytes a second at which datagrams leave.
  public var pacingRate = 0.0
  /// Bytes of a full datagram.
  public var datagramSize = 0
  /// When the peer was last heard, on the monotonic clock.
  public var lastHeard = Instant.zero
}
