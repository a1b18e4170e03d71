import DatagramSockets
import Datagrams
import Synchronization

/// What an importer or exporter has done so far, and what it is doing.
public struct WormholeStatus: Hashable, Sendable {
  /// Tunnels that are up, one for each connected peer.
  public var tunnels: Int
  /// Streams that are open.
  public var streams: Int
  /// Streams that were ever opened.
  public var streamsEver: Int
  /// Bytes of clients and services that came out of tunnels.
  public var received: UInt64
  /// Bytes of clients and services that went into tunnels.
  public var sent: UInt64
  /// When this was so.
  public var time: Instant

  /// Bytes a second between an earlier status and this one.
  public func rates(since earlier: WormholeStatus) -> (received: Double, sent: Double) {
    let seconds = earlier.time.duration(to: time).milliseconds / 1000
    guard seconds > 0 else { return (0, 0) }
    let received = received < earlier.received ? 0 : received - earlier.received
    let sent = sent < earlier.sent ? 0 : sent - earlier.sent
    return (Double(received) / seconds, Double(sent) / seconds)
  }
}

/// The counters behind a status, written on event loops and read anywhere.
final class WormholeCounters: Sendable {
  let tunnels = Atomic(0)
  let streams = Atomic(0)
  let streamsEver = Atomic(0)
  let received = Atomic<UInt64>(0)
  let sent = Atomic<UInt64>(0)

  var status: WormholeStatus {
    WormholeStatus(
      tunnels: tunnels.load(ordering: .relaxed), streams: streams.load(ordering: .relaxed),
      streamsEver: streamsEver.load(ordering: .relaxed), received: received.load(ordering: .relaxed),
      sent: sent.load(ordering: .relaxed), time: MonotonicClock.now)
  }
}
