import Datagrams

/// What an echo datagram brought, for congestion control.
struct AckEvent {
  var now: Instant
  /// Bytes newly acknowledged.
  var acknowledged: Int
  /// Bytes in flight before and after.
  var priorInFlight: Int
  var inFlight: Int
  /// The round trip of the newest move, where it is unambiguous.
  var roundTrip: Nanoseconds?
  var smoothedRoundTrip: Nanoseconds
  /// Bytes delivered over the life of the connection.
  var delivered: UInt64
  var sample: RateSample
}

/// A move that is held to be lost.
struct LossEvent {
  var now: Instant
  var bytes: Int
  /// Bytes in flight when it left.
  var inFlightAtSend: Int
  /// Bytes lost since it left, itself included.
  var lostSinceSent: UInt64
  var deliveredAtSend: UInt64
  var delivered: UInt64
  var isAppLimited: Bool
}

/// How much may be in flight, and how fast it leaves.
protocol CongestionController: Sendable {
  /// Bytes that may be in flight.
  var window: Int { get }
  /// Bytes a second at which datagrams leave.
  var pacingRate: Double { get }

  /// A move of `bytes` leaves; `inFlight` does not count it.
  mutating func onSent(bytes: Int, inFlight: Int, now: Instant)
  /// Echoes came.
  mutating func onAck(_ event: AckEvent)
  /// A move is lost.
  mutating func onLoss(_ event: LossEvent)
  /// Nothing came for several probe time-outs in a row (RFC 9002, section 7.6).
  mutating func onPersistentCongestion()
  /// A flight of full windows could not be sent for want of window.
  mutating func onWindowLimited()
}

/// Which congestion control a connection uses.
public enum CongestionControl: String, Hashable, Sendable, CaseIterable {
  /// After BBR, version 3: models the path's rate and round trip, and takes a loss for congestion only beyond what the path loses
  /// anyway.
  case bbr
  /// RFC 9438, to compare with.
  case cubic
}
