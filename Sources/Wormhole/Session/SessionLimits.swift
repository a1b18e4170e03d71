/// How much one tunnel may hold, in streams and bytes. The defaults hold a tunnel below 64 MB whatever its peer and its clients do.
public struct SessionLimits: Hashable, Sendable {
  /// Streams at once. Each is a descriptor on both ends; a service with more clients than this wants no tunnel.
  public var streams = 4096
  /// Bytes that one stream of the old wire may have waiting for a slow reader before it is closed. That wire has no window, so the
  /// alternatives are to stall everybody or to hold everything.
  public var slowStream = 8 << 20
  /// Bytes of all streams together that may wait for slow readers; then the stream that holds the most is closed.
  public var held = 32 << 20
  /// What a Swift peer may send on a stream at once, before it is granted more: with all streams open and slow this is the bulk of
  /// what could be held, so it is small; the first grant follows within a round trip.
  public var initialWindow = 64 << 10
  /// The window that is granted first, as far as ``windows`` allows.
  public var firstWindow = 256 << 10
  /// The largest window of a stream: 600 Mbit/s over 100 ms keep 7.5 MB on the way, and half as much again waits in buffers.
  public var largestWindow = 16 << 20
  /// The windows of all streams together, past which none gets more than ``initialWindow``. Below ``held``, so that a stream with
  /// a window is closed for being slow only where hundreds are.
  public var windows = 24 << 20

  /// The defaults.
  public init() {}

  /// A stream has this turn while others wait: 64 KiB are 0.5 ms of a Gbit/s and 5 ms of 100 Mbit/s.
  static let quantum = 64 << 10
  /// The turn of a stream that is alone.
  static let soleQuantum = 256 << 10
  /// A stream that has less than this waiting for the tunnel is read from again.
  static let readAhead = 64 << 10
  /// Frames up to this size are copied together, larger ones go as they are.
  static let copied = 4 << 10
  /// Control messages that may wait for a tunnel that takes nothing: windows and ends of 4096 streams need a fifth of it.
  static let controlBacklog = 1 << 20
}
