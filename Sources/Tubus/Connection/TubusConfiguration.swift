import Datagrams

/// How a tubus connection behaves. The defaults suit a hole punched through NATs.
public struct TubusConfiguration: Sendable {
  /// The number both ends know, which masks every datagram; 0 sends in the clear.
  public var secret: UInt64 = 0
  /// The largest datagram, bytes of UDP payload, 548 to 65,000. Found out to pass before it is used.
  public var maximumDatagramSize = 1406
  /// What the peer may send ahead at first, bytes; the reference grants 5 MiB.
  public var initialReceiveWindow = 5 << 20
  /// How far that may grow for a path with a large product of rate and round trip, bytes: 64 MiB are 2.5 Gbit/s at 200 ms.
  public var maximumReceiveWindow = 64 << 20
  /// How long to try to link; the reference gives up after 30 s.
  public var linkTimeout: Duration = .seconds(30)
  /// A datagram leaves at least this often. Many NATs forget a mapping after 30 s, some after 20 s.
  public var keepaliveInterval: Duration = .seconds(15)
  /// A peer is lost when nothing was heard for so long; the reference's is 35 s, too.
  public var silenceTimeout: Duration = .seconds(35)
  /// How long to ask for the acknowledgement of a shutdown; the reference's is 2 s.
  public var tearTimeout: Duration = .seconds(2)
  /// What may be written and not yet sent before the connection asks the writer to wait, bytes.
  public var maximumUnsent = 1 << 20
  /// The congestion control.
  public var congestionControl = CongestionControl.bbr

  /// The defaults.
  public init() {}
}

extension TubusConfiguration {
  func makeCongestionController(datagramSize: Int, now: Instant, seed: UInt64) -> any CongestionController {
    switch congestionControl {
    case .bbr: BBR(datagramSize: datagramSize, now: now, seed: seed)
    case .cubic: Cubic(datagramSize: datagramSize)
    }
  }
}
